"""Real processes, killed at random moments; and stopped by a signal."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.run_files import RunFiles
from support.run_comparison import assert_same_runs
from support.small_runs import small_config

N_KILLS = 10

# One process has the imports, which take seconds; the others fork from it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["sorrel_recurrent_ppo.experiments.experiment"])

RUNS = {
    "treasurehunt": ("treasurehunt", "lstm_ppo"),
    "tag": ("tag", "iqn"),
}


def run_or_go_on(directory, config_text, ready):
    """What the killed process does: start the run, or go on where there is one."""
    import torch

    from sorrel_recurrent_ppo.experiments import experiment

    torch.set_num_threads(1)
    with open(os.devnull, "w") as silence:
        os.dup2(silence.fileno(), 1)
    files = RunFiles(directory)
    config = OmegaConf.create(config_text)
    assert isinstance(config, DictConfig)
    ready.set()
    try:
        experiment.run_experiment(config, files, resume=files.config.exists())
    except KeyboardInterrupt:
        os._exit(130)


def started(directory, config):
    ready = PROCESSES.Event()
    arguments = (directory, OmegaConf.to_yaml(config), ready)
    process = PROCESSES.Process(target=run_or_go_on, args=arguments)
    process.start()
    ready.wait()
    return process


def long_config(name, *overrides):
    return small_config(*RUNS[name], "experiment.epochs=60", "checkpoint_period=2", *overrides)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_killed_at_random_moments_is_as_one_that_never_was(name, tmp_path):
    whole, killed = RunFiles(tmp_path / "whole"), RunFiles(tmp_path / "killed")
    config = long_config(name)
    process = started(whole.directory, config)
    process.join()
    assert process.exitcode == 0
    rng = np.random.default_rng(7)
    reached = [-1]
    # Some epochs on, then anywhere within one, or in what is written between two.
    for epochs, delay in zip(
        rng.integers(0, 9, N_KILLS), rng.uniform(0.0, 0.1, N_KILLS), strict=True
    ):
        process = started(killed.directory, config)
        while process.is_alive() and epochs_in(killed) < reached[-1] + epochs:
            time.sleep(0.002)
        process.join(delay)
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        reached.append(epochs_in(killed))
    process = started(killed.directory, config)
    process.join()
    assert process.exitcode == 0
    assert len(set(reached)) > 3, reached  # they did strike at different places
    assert_same_runs(killed, whole)
    assert not [path for path in killed.directory.rglob(".*") if path.is_file()]


def epochs_in(files):
    return len(files.metrics.read_text().splitlines()) - 1 if files.metrics.exists() else -1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_epoch_and_saves(number, tmp_path):
    whole, stopped = RunFiles(tmp_path / "whole"), RunFiles(tmp_path / "stopped")
    config = long_config("tag", "checkpoint_period=1000")
    process = started(whole.directory, config)
    process.join()
    process = started(stopped.directory, config)
    while epochs_in(stopped) < 3:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 130
    n_done = epochs_in(stopped)
    assert 3 <= n_done < 61
    process = started(stopped.directory, config)
    process.join()
    sessions = OmegaConf.load(stopped.provenance).sessions  # pyright: ignore[reportAttributeAccessIssue]
    assert [session.first_epoch for session in sessions] == [0, n_done]
    assert_same_runs(stopped, whole)
