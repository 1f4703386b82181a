"""A resumed run multiplies as the run before did, whatever the machine would choose."""

import logging

import pytest

from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state, save_run_state
from sorrel_recurrent_ppo.policy.cpu import matvec
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.run_comparison import assert_same_runs
from support.small_runs import resume, small_config

pytestmark = pytest.mark.usefixtures("own_process")

TURNS = 8  # of an epoch, by small_runs


@pytest.fixture
def machine_chooses(monkeypatch):
    """Make all weights large; return a function that sets what a measurement results in."""
    monkeypatch.setattr(matvec, "_LARGE_BYTES", 0)

    def choose(name):
        monkeypatch.setattr(matvec, "_chosen", None)
        monkeypatch.setattr(matvec, "_measure", lambda: name)

    return choose


def start(directory):
    files = RunFiles(directory)
    # Products of a few numbers are rounded alike by both methods.
    sizes = ("model.lstm_ppo.hidden_size=64", "model.lstm_ppo.obs_type=flattened")
    config = small_config("tag", "lstm_ppo", "experiment.epochs=6", "checkpoint_period=2", *sizes)
    experiment.run_experiment(config, files)
    return files


@pytest.mark.parametrize("other", ["dot", "vecdot"])
def test_resumed_run_repeats_the_stored_choice(other, machine_chooses, crash_at, tmp_path):
    first = "vecdot" if other == "dot" else "dot"
    machine_chooses(first)
    whole = start(tmp_path / "whole")
    crash_at(3 * TURNS + 3)
    machine_chooses(first)
    with pytest.raises(Crash):
        start(tmp_path / "interrupted")
    machine_chooses(other)
    files = RunFiles(tmp_path / "interrupted")
    resume(files)
    assert_same_runs(files, whole)
    machine_chooses(other)
    different = start(tmp_path / "different")
    with pytest.raises(AssertionError):  # the choice matters
        assert_same_runs(different, whole)


def test_a_method_of_another_version_is_named_and_replaced(machine_chooses, tmp_path, caplog):
    machine_chooses("dot")
    files = start(tmp_path / "run")
    state = read_run_state(files)
    assert state is not None
    save_run_state(files, {**state, "large_matvec": "sorted"})
    with caplog.at_level(logging.WARNING):
        resume(files, "experiment.epochs=7")
    assert "the method 'sorted'" in caplog.text
    state = read_run_state(files)
    assert state is not None
    assert (state["epoch"], state["large_matvec"]) == (7, "dot")
