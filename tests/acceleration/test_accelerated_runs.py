"""Accelerated runs equal plain ones, bit for bit: tables, weights, worlds and random states."""

import copy

import pytest
from sorrel.environment import Environment
from sorrel.worlds import gridworld

from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.run_comparison import assert_same_runs
from support.saved_run_files import read_rows
from support.small_runs import EVERY_WORLD, SMALL_MODELS, TURNOVER, resume, run
from support.study_runs import study_config

pytestmark = pytest.mark.usefixtures("own_process")

ON, OFF = "accelerate=true", "accelerate=false"


def assert_equal(directory, *config):
    plain, _ = run(directory / "plain", *config, OFF)
    fast, _ = run(directory / "accelerated", *config, ON)
    assert_same_runs(fast, plain)
    return fast


@pytest.mark.parametrize("environment", EVERY_WORLD)
def test_an_accelerated_run_with_replacements_equals_a_plain_one(environment, tmp_path):
    fast = assert_equal(tmp_path, environment, "lstm_ppo", *TURNOVER)
    assert len(read_rows(fast.replacements)) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALL_MODELS)
@pytest.mark.parametrize("environment", EVERY_WORLD)
def test_a_longer_accelerated_run_equals_a_plain_one(environment, model, tmp_path):
    assert_equal(tmp_path, environment, model, "experiment.epochs=6", "experiment.max_turns=20")


def test_pictures_in_colour_are_the_same(tmp_path):
    assert_equal(tmp_path, "treasurehunt", "lstm_ppo", "model.observation_spec=rgb")


@pytest.mark.parametrize("model", ["lstm", "mixed"])
def test_an_accelerated_study_equals_a_plain_one(model, tmp_path):
    plain, fast = (RunFiles(tmp_path / name) for name in ("plain", "accelerated"))
    experiment.run_experiment(study_config(model, OFF), plain)
    experiment.run_experiment(study_config(model, ON), fast)
    assert_same_runs(fast, plain)
    assert read_rows(fast.replacements) == read_rows(plain.replacements)


@pytest.mark.parametrize("switched", [ON, OFF])
def test_a_crashed_accelerated_run_resumes_to_the_same_numbers(switched, crash_at, tmp_path):
    config = ("cleanup", "lstm_ppo", "experiment.epochs=3", "checkpoint_period=1", *TURNOVER)
    plain, _ = run(tmp_path / "plain", *config, OFF)
    crash_at(8 * 2 + 3)
    with pytest.raises(Crash):
        run(tmp_path / "accelerated", *config, ON)
    fast = RunFiles(tmp_path / "accelerated")
    resume(fast, switched)
    assert_same_runs(fast, plain)


@pytest.mark.parametrize("on", [False, True])
def test_sorrel_is_accelerated_during_such_a_run_only(on, monkeypatch, tmp_path):
    found = []

    def reset(env):
        found.append(gridworld.copy is not copy)
        original(env)

    original = Environment.reset
    monkeypatch.setattr(Environment, "reset", reset)
    run(tmp_path / "run", "tag", "lstm_ppo", ON if on else OFF)
    assert found == [on] * 3
    assert gridworld.copy is copy
