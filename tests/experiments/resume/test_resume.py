"""Resumed runs equal uninterrupted runs, bit for bit."""

import pytest
import sorrel.environment
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state, save_run_state
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.run_comparison import assert_same_runs
from support.small_runs import resume, run, small_config, without_times

pytestmark = pytest.mark.usefixtures("own_process")

LAST = 6
TURNS = 8  # of an epoch, by small_runs
NEWCOMERS = (
    *("replacement=turnover", "replacement.start_epoch=1", "replacement.every=1"),
    "replacement.minimum_tenure=1",
)
CASES = {
    "lstm in treasurehunt": ("treasurehunt", "lstm_ppo"),
    "gru in tag": ("tag", "gru_ppo"),
    "lstm in iowa": ("iowa", "lstm_ppo"),
    "iqn in treasurehunt": ("treasurehunt", "iqn"),
    "iqn in tag": ("tag", "iqn"),
    "gru in cleanup": ("cleanup", "gru_ppo"),
    "several epochs to a rollout": ("tag", "lstm_ppo", "model.lstm_ppo.rollout_length=30"),
    "an update after every epoch": ("tag", "gru_ppo", "model.gru_ppo.rollout_length=null"),
    "newcomers": ("tag", "lstm_ppo", *NEWCOMERS),
    "newcomers of several kinds": (
        *("treasurehunt", "lstm_ppo", *NEWCOMERS),
        *("replacement.model=[gru_ppo,iqn]", "+model.iqn.layer_size=8", "+model.iqn.batch_size=4"),
    ),
}


def config_of(case, *overrides):
    epochs = f"experiment.epochs={LAST}"
    return small_config(*CASES[case], epochs, "checkpoint_period=2", *overrides)


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


def first_epochs(files):
    sessions = OmegaConf.load(files.provenance).sessions  # pyright: ignore[reportAttributeAccessIssue]
    return [session.first_epoch for session in sessions]


@pytest.mark.parametrize(
    ("case", "epoch", "resumes_from"),
    [*((case, 3, 3) for case in CASES), ("gru in tag", 1, 1), ("gru in tag", LAST, LAST - 1)],
)
def test_resumed_run_equals_uninterrupted_run(case, epoch, resumes_from, crash_at, tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of(case))
    crash_at(epoch * TURNS + 3)
    interrupted = RunFiles(tmp_path / "interrupted")
    with pytest.raises(Crash):
        start(interrupted.directory, config_of(case))
    assert len(without_times(interrupted.metrics)) == epoch
    summary = resume(interrupted)
    assert first_epochs(interrupted) == [0, resumes_from]
    assert (summary.n_epochs, len(without_times(uninterrupted.metrics))) == (LAST + 1, LAST + 1)
    assert_same_runs(interrupted, uninterrupted)


def test_resume_without_a_checkpoint_starts_over(crash_at, tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of("gru in tag"))
    interrupted = RunFiles(tmp_path / "interrupted")
    crash_at(3)
    with pytest.raises(Crash):
        start(interrupted.directory, config_of("gru in tag"))
    resume(interrupted)
    assert first_epochs(interrupted) == [0, 0]
    assert_same_runs(interrupted, uninterrupted)


@pytest.mark.parametrize("case", ["lstm in iowa", "iqn in tag", "newcomers"])
def test_resume_extends_a_complete_run(case, tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of(case))
    files = start(tmp_path / "short", config_of(case, "experiment.epochs=2"))
    resume(files, "experiment.epochs=4")
    resume(files, f"experiment.epochs={LAST}")
    assert first_epochs(files) == [0, 3, 5]
    assert_same_runs(files, uninterrupted)
    saved = OmegaConf.load(files.config)
    assert saved == OmegaConf.load(uninterrupted.config)


def test_resume_leaves_a_complete_run_unchanged(tmp_path, caplog):
    caplog.set_level("INFO", logger="sorrel_recurrent_ppo")
    files, first = run(tmp_path / "run")
    before = {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()}
    resumed = resume(files)
    assert resumed == first
    after = {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()}
    assert after == before
    assert "is complete, with its epochs 0 to 2; experiment.epochs=... extends it" in caplog.text


def test_resume_rejects_fewer_epochs_than_the_run_has(tmp_path):
    files, _ = run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"experiment\.epochs=1, but the run .* is at epoch 2"):
        resume(files, "experiment.epochs=1")


def test_run_experiment_rejects_an_existing_run_and_suggests_resume(tmp_path):
    files, _ = run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"resume it: .* run resume=.*run"):
        start(files.directory, small_config())


def test_resume_rejects_a_state_of_another_environment(tmp_path):
    files, _ = run(tmp_path / "run")
    with pytest.raises(CheckpointError, match="2 agents, the environment 3"):
        resume(files, "model.num_agents=3", "experiment.epochs=3")
    with pytest.raises(CheckpointError, match=r"agents\[0\]\.model .* the model differs"):
        resume(files, "model.lstm_ppo.hidden_size=9", "experiment.epochs=3")


def test_resume_rejects_a_damaged_state(tmp_path):
    files, _ = run(tmp_path / "run")
    data = bytearray(files.run_state.read_bytes())
    data[len(data) // 2] ^= 1
    files.run_state.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        resume(files, "experiment.epochs=3")


def test_resume_rejects_missing_rows(tmp_path):
    files, _ = run(tmp_path / "run")
    lines = files.metrics.read_text().splitlines(keepends=True)
    files.metrics.write_text("".join(lines[:2]))
    with pytest.raises(CheckpointError, match=r"metrics\.csv: expected at least 3 rows .*found 1"):
        resume(files, "experiment.epochs=3")


def test_resume_removes_partial_files(tmp_path):
    files, _ = run(tmp_path / "run")
    partial_files = [
        files.directory / ".metrics.csv.unfinished",
        files.directory / ".run_state.pt.unfinished",
        files.checkpoints / ".0.pt.unfinished",
        files.directory / "comparison" / ".runs.csv.unfinished",
    ]
    for path in partial_files:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half of it")
    resume(files, "experiment.epochs=3")
    assert not any(path.exists() for path in partial_files)


def test_resume_leaves_each_epoch_once_in_tensorboard(crash_at, tmp_path):
    crash_at(3 * TURNS + 3)
    files = RunFiles(tmp_path / "run")
    config = config_of("gru in tag", "checkpoint_period=5")
    with pytest.raises(Crash):
        start(files.directory, config)
    resume(files)
    reader = EventAccumulator(str(files.tensorboard)).Reload()
    assert [event.step for event in reader.Scalars("score")] == list(range(LAST + 1))


def test_checkpoint_period_defaults_to_the_record_period_and_is_checked(tmp_path):
    files = start(tmp_path / "run", config_of("gru in tag", "checkpoint_period=null"))
    state = read_run_state(files)
    assert state is not None
    assert state["epoch"] == LAST
    with pytest.raises(ConfigError, match="checkpoint_period must be an integer"):
        start(tmp_path / "other", config_of("gru in tag", "checkpoint_period=0"))


def test_a_run_whose_state_was_removed_is_not_started_again(tmp_path):
    files = start(tmp_path / "run", config_of("gru in tag"))
    before = files.metrics.read_bytes()
    files.run_state.unlink()
    with pytest.raises(CheckpointError, match=r"run_state\.pt is missing, .* has its epochs"):
        resume(files)
    assert files.metrics.read_bytes() == before


def test_a_run_that_broke_off_in_its_first_epochs_starts_again(tmp_path):
    whole = start(tmp_path / "whole", config_of("gru in tag"))
    files = start(tmp_path / "run", config_of("gru in tag"))
    files.run_state.unlink()
    files.metrics.write_text("".join(files.metrics.read_text().splitlines(keepends=True)[:2]))
    resume(files)
    assert_same_runs(files, whole)


def test_a_million_completed_epochs_are_not_skipped_one_by_one(tmp_path, monkeypatch):
    files = start(tmp_path / "run", config_of("gru in tag", "log_period=1"))
    state = read_run_state(files)
    assert state is not None
    save_run_state(files, {**state, "epoch": 1_000_000, "is_complete": False})
    record, recorded = RunLogger.record_epoch, []

    def count(logger, epoch, *arguments, **values):
        recorded.append(epoch)
        record(logger, epoch, *arguments, **values)

    monkeypatch.setattr(RunLogger, "record_epoch", count)
    resume(files, "experiment.epochs=1000002")
    assert recorded == [1_000_001, 1_000_002]
    assert [row["epoch"] for row in without_times(files.metrics)[-3:]] == [
        str(epoch) for epoch in (LAST, *recorded)
    ]
    assert not hasattr(sorrel.environment, "range")
