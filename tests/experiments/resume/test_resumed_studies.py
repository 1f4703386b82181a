"""Resuming coordinators that call their agents themselves and keep records of several classes."""

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.direct_study import crash_after
from support.run_comparison import assert_same_runs
from support.small_runs import resume
from support.study_runs import factory_config

pytestmark = pytest.mark.usefixtures("own_process")


def config_of(*overrides):
    return factory_config(
        "support.direct_study.build",
        *("experiment.epochs=6", "experiment.max_turns=10", "checkpoint_period=2"),
        *("model.lstm_ppo.rollout_length=20", "model.lstm_ppo.sequence_length=5"),
        *("model.lstm_ppo.batch_size=10", "model.lstm_ppo.hidden_size=8", *overrides),
    )


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


def test_records_of_a_coordinator_are_resumed(tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of())
    crash_after[:] = [10 * 2 * 5 + 7]
    with pytest.raises(Crash):
        start(tmp_path / "interrupted", config_of())
    interrupted = RunFiles(tmp_path / "interrupted")
    resume(interrupted)
    assert_same_runs(interrupted, uninterrupted)


def test_threads_are_ignored_where_a_loop_decides_what_trains(tmp_path, caplog):
    one = start(tmp_path / "one", config_of())
    two = start(tmp_path / "two", config_of("threads=2"))
    assert_same_runs(two, one)
    assert "threads=2 is ignored: Direct has a run_experiment of its own" in caplog.text


def test_config_of_a_resumed_study_is_unchanged(tmp_path):
    files = start(tmp_path / "run", config_of("experiment.epochs=3"))
    resume(files, "experiment.epochs=5")
    saved = OmegaConf.load(files.config)
    assert (saved.experiment.max_turns, saved.experiment.record_period) == (10, 50)  # pyright: ignore[reportAttributeAccessIssue]
