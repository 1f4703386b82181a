"""Environments that are not reset between epochs: their epochs are counted, saved and resumed."""

import pytest

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.run_comparison import assert_same_runs
from support.saved_run_files import read_rows
from support.small_runs import resume
from support.study_runs import factory_config

pytestmark = pytest.mark.usefixtures("own_process")


def config_of(*overrides):
    return factory_config(
        "support.continuing_study.build",
        *("experiment.epochs=7", "experiment.max_turns=10", "checkpoint_period=2"),
        *("model.lstm_ppo.rollout_length=20", "model.lstm_ppo.sequence_length=5"),
        *("model.lstm_ppo.batch_size=10", "model.lstm_ppo.hidden_size=8"),
        *("replacement={mode: random, epochs: [3], count: 1}", *overrides),
    )


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


def test_every_epoch_has_its_own_rewards_and_the_schedule_fires(tmp_path):
    files = start(tmp_path, config_of())
    epochs, agents = read_rows(files.metrics), read_rows(files.agents)
    assert [int(row["epoch"]) for row in epochs] == [*range(8)]
    for row in epochs:
        rewards = [float(agent["reward"]) for agent in agents if agent["epoch"] == row["epoch"]]
        assert len(rewards) == 2
        assert sum(rewards) == float(row["reward"])
    assert [row["epoch"] for row in read_rows(files.replacements)] == ["3"]
    names = [{a["agent"] for a in agents if a["epoch"] == str(epoch)} for epoch in (2, 3)]
    assert names[0] == {"0", "1"}
    assert "2" in names[1]


@pytest.mark.parametrize("turn", [5, 37, 63])
def test_an_interrupted_run_is_resumed(turn, crash_at, tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of())
    interrupted = RunFiles(tmp_path / "interrupted")
    crash_at(turn)
    with pytest.raises(Crash):
        start(interrupted.directory, config_of())
    resume(interrupted)
    assert_same_runs(interrupted, uninterrupted)


def test_a_completed_run_is_not_extended(tmp_path):
    files = start(tmp_path, config_of())
    before = files.metrics.read_text(encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be extended"):
        resume(files, "experiment.epochs=9")
    assert files.metrics.read_text(encoding="utf-8") == before


def test_epochs_that_cannot_be_counted_are_warned_of_and_kept(tmp_path, caplog):
    files = start(tmp_path, config_of("direct=true"))
    assert "epoch 1 is recorded, but only epochs 0 to 0 have begun" in caplog.text
    before = files.metrics.read_text(encoding="utf-8")
    resume(files)  # complete
    assert files.metrics.read_text(encoding="utf-8") == before


def test_a_run_whose_epochs_cannot_be_counted_is_not_extended(tmp_path):
    files = start(tmp_path, config_of("direct=true", "experiment.epochs=3"))
    before = files.metrics.read_text(encoding="utf-8")
    with pytest.raises(CheckpointError, match="epoch 4 has ended, and the saved state has not"):
        resume(files, "experiment.epochs=5")
    assert files.metrics.read_text(encoding="utf-8") == before


def test_epochs_that_the_environment_does_not_record_are_recorded(tmp_path):
    silent = start(tmp_path / "silent", config_of("resets=true", "silent=true"))
    recorded = start(tmp_path / "recorded", config_of("resets=true"))
    for table in ("metrics", "agents"):
        rows = [read_rows(getattr(files, table)) for files in (silent, recorded)]
        assert len(rows[0]) == len(rows[1]) > 0
        for one, other in zip(*rows, strict=True):
            assert one["reward"] == other["reward"]
    resume(silent)
