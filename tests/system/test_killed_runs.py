"""Resuming runs whose processes were killed at random moments or stopped by a signal."""

import os
import signal
import time

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
}


def long_config(name, *overrides):
    return small_config(*RUNS[name], "experiment.epochs=60", "checkpoint_period=2", *overrides)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_run_killed_at_random_moments_equals_an_uninterrupted_run(name, tmp_path):
    uninterrupted, killed = RunFiles(tmp_path / "uninterrupted"), RunFiles(tmp_path / "killed")
    config = long_config(name)
    process = start_process(uninterrupted.directory, config)
    process.join()
    assert process.exitcode == 0
    rng = np.random.default_rng(7)
    reached = [-1]
    # After some epochs, at any moment of an epoch or of the writing between epochs.
    for epochs, delay in zip(
        rng.integers(0, 9, N_KILLS), rng.uniform(0.0, 0.1, N_KILLS), strict=True
    ):
        process = start_process(killed.directory, config)
        while process.is_alive() and epochs_in(killed) < reached[-1] + epochs:
            time.sleep(0.002)
        process.join(delay)
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        reached.append(epochs_in(killed))
    process = start_process(killed.directory, config)
    process.join()
    assert process.exitcode == 0
    assert len(set(reached)) > 3, reached  # the kills hit different epochs
    assert_same_runs(killed, uninterrupted)
    assert not [path for path in killed.directory.rglob(".*") if path.is_file()]


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
