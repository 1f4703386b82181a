"""The program with an environment of two kinds of agents: choices, errors and evaluation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sorrel_recurrent_ppo.experiments.experiment import Invocation, run_experiment
from sorrel_recurrent_ppo.run_files import RunFiles
from support.saved_run_files import read_rows
from support.small_runs import EVERY_WORLD, small_config

PROGRAM = [sys.executable, "-m", "sorrel_recurrent_ppo"]

TWO_KINDS = """
from sorrel.entities import Entity
from sorrel.environment import Environment
from support.small_study import Police, Study, Walker


class Town(Study):
    def setup_agents(self):
        self.agents = [self.new_agent(), self.new_agent(Police)]


class Broken(Town):
    def populate_environment(self):
        super().populate_environment()
        raise ValueError("a fault of its own")


class Undrawable(Town):
    def populate_environment(self):
        super().populate_environment()
        for agent in self.agents:
            agent.sprite = None
"""
TOWN = """# @package _global_
environment: {name: town, env_class: two_kinds.Town}
experiment: {epochs: 1, max_turns: 4, record_period: 10, animate: false}
world: {height: 6, width: 6, layers: 1}
agent:
  walker: {model: lstm_ppo, lstm_ppo: {hidden_size: 8, rollout_length: 4}}
  police: {model: gru_ppo, gru_ppo: {hidden_size: 8, rollout_length: 4}}
"""


def call(folder, *arguments):
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def town(tmp_path, monkeypatch):
    """Return a function that runs the program in a folder with an environment of two kinds."""
    folder = tmp_path / "configs" / "environment"
    folder.mkdir(parents=True)
    (tmp_path / "two_kinds.py").write_text(TWO_KINDS)
    (folder / "town.yaml").write_text(TOWN)
    (folder / "typed.yaml").write_text(TOWN.replace("world:", "model: {type: gru_ppo}\nworld:"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)

    def run_town(*arguments, environment="town"):
        options = ("--config-dir", "configs", f"environment={environment}", "hydra.run.dir=run")
        return call(tmp_path, "run", *options, *arguments)

    return run_town


def test_a_model_that_no_agent_gets_is_an_error(town):
    assert town().returncode == 0  # the default model is no choice of the user's
    done = town("model=gru_ppo", "hydra.run.dir=other")
    assert done.returncode == 2
    message = "model.type=gru_ppo would have no effect: all agents have the models that "
    assert message + "agent.walker.model and agent.police.model name" in done.stderr
    done = town("model=lstm_ppo", "hydra.run.dir=other", environment="typed")
    assert done.returncode == 2
    assert "model=lstm_ppo would have no effect: the environment's config file" in done.stderr


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("environment", EVERY_WORLD)
def test_a_model_that_the_agents_get_is_none(environment, tmp_path):
    config = small_config(environment, "gru_ppo", "experiment.epochs=0")
    chosen = Invocation(is_model_chosen=True)
    files = RunFiles(tmp_path / "run")
    run_experiment(config, files, invocation=chosen)
    assert {row["model"] for row in read_rows(files.agents)} == {"gru_ppo"}


def test_a_refused_run_leaves_its_directory_usable(town):
    refused = town("agent.police.model=[gru_ppo,lstm_ppo]")
    assert (refused.returncode, "agent.police.model lists 2 models" in refused.stderr) == (2, True)
    assert town().returncode == 0
    assert "already holds a run" in town().stderr


def test_an_environment_of_two_kinds_is_evaluated_where_it_cannot_be_drawn(town, tmp_path):
    assert town("environment.env_class=two_kinds.Undrawable").returncode == 0
    done = call(tmp_path, "evaluate", "run", "epochs=1")
    assert done.returncode == 0, done.stderr
    assert "no GIF of mode sampled: drawing the environment failed" in done.stderr


def test_an_error_of_the_environment_is_shown_from_its_own_frames_on(town, tmp_path):
    done = town("environment.env_class=two_kinds.Broken")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: a fault of its own"
    assert "two_kinds.py" in done.stderr
    assert "hydra" not in done.stderr.partition("two_kinds.py")[0]
    logged = (tmp_path / "run" / "run.log").read_text()
    assert "Traceback" in logged
    assert logged.endswith("ValueError: a fault of its own\n")


def test_the_flag_of_a_sweep_may_stand_behind_the_settings(town):
    done = town("hydra.sweep.dir=sweep", "-m", "seed=1,2")
    assert done.returncode == 0, done.stderr
