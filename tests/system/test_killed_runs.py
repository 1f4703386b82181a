"""Resuming runs whose processes were killed at random moments or stopped by a signal."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.run_files import RunFiles
from support.run_comparison import assert_same_runs
from support.run_processes import epochs_in, start_process
from support.small_runs import small_config

N_KILLS = 10
STOPPING_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

RUNS = {
    "treasurehunt": ("treasurehunt", "lstm_ppo"),
    "tag": ("tag", "iqn"),
    "averaged": ("tag", "gru_ppo", "log_period=3", "model.gru_ppo.rollout_length=20"),
}
OLD_RUN = Path(__file__).parents[1] / "experiments" / "resume" / "run_of_0_1_0"


def long_config(name, *overrides):
    return small_config(*RUNS[name], "experiment.epochs=60", "checkpoint_period=2", *overrides)


def finish(directory, config):
    """Start or resume a run, and wait for its end."""
    process = start_process(directory, config)
    process.join()
    assert process.exitcode == 0
    return RunFiles(directory)


def kill_at_random_moments(directory, config, n_kills=N_KILLS, *, log_period=1):
    """Start or resume a run, and kill it, again and again; return the epochs that it reached.

    After some epochs, at any moment of an epoch or of the writing between epochs.
    """
    files, rng = RunFiles(directory), np.random.default_rng(7)
    reached = [epochs_in(files)]
    for rows, delay in zip(
        rng.integers(0, 9, n_kills) // log_period, rng.uniform(0.0, 0.1, n_kills), strict=True
    ):
        process = start_process(directory, config)
        while process.is_alive() and epochs_in(files) < reached[-1] + rows:
            time.sleep(0.002)
        process.join(delay)
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        reached.append(epochs_in(files))
    return reached


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_kills", "log_period"),
    [("treasurehunt", N_KILLS, 1), ("tag", N_KILLS, 1), ("averaged", 2 * N_KILLS, 3)],
)
def test_run_killed_at_random_moments_equals_an_uninterrupted_run(
    name, n_kills, log_period, tmp_path
):
    config = long_config(name)
    uninterrupted = finish(tmp_path / "uninterrupted", config)
    killed = tmp_path / "killed"
    reached = kill_at_random_moments(killed, config, n_kills, log_period=log_period)
    files = finish(killed, config)
    assert len(set(reached)) > 3, reached  # the kills hit different epochs
    assert_same_runs(files, uninterrupted)
    assert not [path for path in killed.rglob(".*") if path.is_file()]


@pytest.mark.slow
def test_run_of_version_0_1_0_killed_at_random_moments_equals_an_uninterrupted_one(tmp_path):
    for name in ("uninterrupted", "killed"):
        shutil.copytree(OLD_RUN, tmp_path / name)
    changes = {"experiment": {"epochs": 30}, "checkpoint_period": 2}
    config = OmegaConf.merge(OmegaConf.load(OLD_RUN / "config.yaml"), changes)
    uninterrupted = finish(tmp_path / "uninterrupted", config)
    reached = kill_at_random_moments(tmp_path / "killed", config)
    files = finish(tmp_path / "killed", config)
    assert len(set(reached)) > 3, reached
    assert_same_runs(files, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("number", STOPPING_SIGNALS)
def test_signal_stops_the_run_after_the_epoch_with_its_state_saved(number, tmp_path):
    uninterrupted, stopped = RunFiles(tmp_path / "uninterrupted"), RunFiles(tmp_path / "stopped")
    config = long_config("tag", "checkpoint_period=1000")
    process = start_process(uninterrupted.directory, config)
    process.join()
    process = start_process(stopped.directory, config)
    while epochs_in(stopped) < 3:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 130
    n_done = epochs_in(stopped)
    assert 3 <= n_done < 61
    process = start_process(stopped.directory, config)
    process.join()
    sessions = OmegaConf.load(stopped.provenance).sessions  # pyright: ignore[reportAttributeAccessIssue]
    assert [session.first_epoch for session in sessions] == [0, n_done]
    assert_same_runs(stopped, uninterrupted)
