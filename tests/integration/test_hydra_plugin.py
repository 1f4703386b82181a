"""Hydra applications, started as their users start them, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TREASUREHUNT = """
import hydra
from hydra.core.config_store import ConfigStore
from sorrel.examples.treasurehunt.entities import EmptyEntity
from sorrel.examples.treasurehunt.env import TreasurehuntEnv
from sorrel.examples.treasurehunt.world import TreasurehuntWorld

ConfigStore.instance().store("config", {
    "experiment": {"epochs": 1, "max_turns": 3, "record_period": 50},
    "model": {"agent_vision_radius": 2},
    "world": {
        "height": 9, "width": 9, "spawn_prob": 0.05,
        "gem_value": 10, "food_value": 5, "bone_value": -10,
    },
})


@hydra.main(version_base=None, config_name="config")
def main(config):
    env = TreasurehuntEnv(TreasurehuntWorld(config, EmptyEntity()), config)
    print([type(agent.model).__name__ for agent in env.agents])


if __name__ == "__main__":
    main()
"""
WITHOUT_SORREL = """
import sys
import hydra


@hydra.main(version_base=None)
def main(config):
    print([name for name in ("torch", "sorrel", "numpy") if name in sys.modules])


main()
"""
SORREL_IMPORTED_LATE = """
import importlib.util
import inspect
import hydra


@hydra.main(version_base=None)
def main(config):
    assert importlib.util.find_spec("sorrel.environment") is not None  # only looked for
    import sorrel.environment
    from sorrel_recurrent_ppo.integration.install import _hook
    print(sorrel.environment.Environment.__init__.__module__, _hook.active)
    assert "class Environment" in inspect.getsource(sorrel.environment)


main()
"""


def launch(folder: Path, application: str, *arguments: str, **environment: str):
    """Run an application in a folder of its own; return what it printed, and its log."""
    script = folder / "application.py"
    script.write_text(application)
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_application_without_sorrel_imports_neither_torch_nor_sorrel(tmp_path):
    done = launch(tmp_path, WITHOUT_SORREL)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert "sorrel_recurrent_ppo" not in done.stderr


def test_sorrel_imported_late_is_installed_into_and_keeps_its_loader(tmp_path):
    done = launch(tmp_path, SORREL_IMPORTED_LATE)
    assert done.stdout == "sorrel.environment True\n", done.stderr


def test_the_packaged_group_gives_the_agents_their_model(tmp_path):
    done = launch(tmp_path, TREASUREHUNT, "+model=gru_ppo")
    assert "['DualHeadRecurrentPPO', 'DualHeadRecurrentPPO']" in done.stdout, done.stderr
    assert "agents 0-1: gru_ppo (was iRainbowModel)" in done.stdout


def test_config_without_model_changes_nothing(tmp_path):
    done = launch(tmp_path, TREASUREHUNT)
    assert done.stdout == "['iRainbowModel', 'iRainbowModel']\n", done.stderr


def test_the_switch_turns_the_automatic_part_off(tmp_path):
    done = launch(tmp_path, TREASUREHUNT, "+model=gru_ppo", SORREL_RECURRENT_PPO="off")
    assert done.stdout == "['iRainbowModel', 'iRainbowModel']\n", done.stderr


@pytest.mark.slow
def test_an_unknown_option_lists_the_packaged_ones(tmp_path):
    done = launch(tmp_path, TREASUREHUNT, "+model=gru_pop")
    assert done.returncode == 1
    assert "\tgru_ppo\n" in done.stderr
    assert "\tlstm_ppo\n" in done.stderr


@pytest.mark.slow
def test_an_applications_own_configs_come_first(tmp_path):
    own = tmp_path / "conf" / "model"
    own.mkdir(parents=True)
    (own / "lstm_ppo.yaml").write_text("type: gru_ppo\n")
    application = TREASUREHUNT.replace(
        'version_base=None, config_name="config"',
        f'version_base=None, config_name="config", config_path={str(tmp_path / "conf")!r}',
    ).replace(
        "@hydra.main",
        'ConfigStore.instance().store("dqn", {"type": "lstm_ppo"}, group="model")\n\n@hydra.main',
    )
    done = launch(tmp_path, application, "+model=lstm_ppo")
    assert "['DualHeadRecurrentPPO', 'DualHeadRecurrentPPO']" in done.stdout, done.stderr
    done = launch(tmp_path, application, "+model=dqn")
    assert "['RecurrentPPOLSTM', 'RecurrentPPOLSTM']" in done.stdout, done.stderr
    assert "appears more than once" not in done.stderr
    assert "same name" not in done.stderr  # Hydra's word for a file that a registered config backs


@pytest.mark.slow
def test_each_child_of_a_launcher_has_the_model_that_its_config_names(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = launch(
        tmp_path,
        TREASUREHUNT,
        "-m",
        "hydra/launcher=joblib",
        "+model=gru_ppo,lstm_ppo,dqn",
    )
    printed = [line for line in done.stdout.splitlines() if line.startswith("['")]
    assert sorted(printed) == [
        "['DQNModel', 'DQNModel']",
        "['DualHeadRecurrentPPO', 'DualHeadRecurrentPPO']",
        "['RecurrentPPOLSTM', 'RecurrentPPOLSTM']",
    ], done.stderr
