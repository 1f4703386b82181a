"""Replacement in whole applications, started as their users start them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

OWN_RUN = "from sorrel_recurrent_ppo.cli import main; main()"
SMALL_CLEANUP = [
    *("environment=cleanup", "model=lstm_ppo", "seed=3", "model.lstm_ppo.hidden_size=8"),
    *("env.height=11", "env.width=11", "env.initial_apples=5", "agent.agent.num=4"),
    *("experiment.epochs=17", "experiment.max_turns=5", "hydra.run.dir=out"),
]
# An application that has never heard of this package; its schedule comes from the command line.
STRANGERS_APPLICATION = """
from pathlib import Path
import hydra
from hydra.core.config_store import ConfigStore
from sorrel.examples.treasurehunt.entities import EmptyEntity
from sorrel.examples.treasurehunt.env import TreasurehuntEnv
from sorrel.examples.treasurehunt.world import TreasurehuntWorld

ConfigStore.instance().store("config", {
    "experiment": {"epochs": 11, "max_turns": 3, "record_period": 50},
    "model": {"agent_vision_radius": 2, "num_agents": 2},
    "world": {
        "height": 7, "width": 7, "spawn_prob": 0.1,
        "gem_value": 10, "food_value": 5, "bone_value": -10,
    },
})


@hydra.main(version_base=None, config_name="config")
def main(config):
    env = TreasurehuntEnv(TreasurehuntWorld(config, EmptyEntity()), config)
    env.run_experiment(animate=False, logging=False, output_dir=Path("data"))


main()
"""


def launch(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_of_a_run_with_turnover_agree(tmp_path):
    done = launch(tmp_path, OWN_RUN, "run", *SMALL_CLEANUP, "replacement=turnover")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    replacements = rows(out / "replacements.csv")
    assert [row["epoch"] for row in replacements] == ["5", "10", "15"]

    present = ["0", "1", "2", "3"]
    agents = rows(out / "agents.csv")
    for epoch, metrics in enumerate(rows(out / "metrics.csv")):
        for row in replacements:
            if int(row["epoch"]) == epoch:
                assert present[int(row["index"])] == row["left"]
                present[int(row["index"])] = row["joined"]
        of_epoch = [row for row in agents if int(row["epoch"]) == epoch]
        assert [row["agent"] for row in of_epoch] == present
        assert sum(float(row["reward"]) for row in of_epoch) == float(metrics["reward"])
    assert present.count("4") + present.count("5") + present.count("6") >= 1
    assert {path.stem for path in (out / "checkpoints").glob("*.pt")} >= set(present)
    assert "epoch 5: agent" in (out / "run.log").read_text()


def test_a_schedule_that_can_never_fire_stops_the_run_before_it_starts(tmp_path):
    late = ["replacement=turnover", "replacement.start_epoch=18"]
    done = launch(tmp_path, OWN_RUN, "run", *SMALL_CLEANUP, *late)
    assert done.returncode == 2
    assert "replacement: start_epoch=18 is not among the run's epochs 0 to 17" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "metrics.csv").exists()


@pytest.mark.parametrize("models", [["+model=lstm_ppo"], []])
def test_other_hydra_applications_replace_and_record(models, tmp_path):
    added = ["+replacement=turnover", "+seed=1", "hydra.run.dir=out"]
    done = launch(tmp_path, STRANGERS_APPLICATION, *models, *added)
    assert done.returncode == 0, done.stderr
    kind = "lstm_ppo" if models else "iqn"
    replacements = rows(tmp_path / "out" / "replacements.csv")
    assert [(row["epoch"], row["joined"], row["joined_model"]) for row in replacements] == [
        ("5", "2", kind),
        ("10", "3", kind),
    ]
    assert "epoch 5: agent" in done.stdout
