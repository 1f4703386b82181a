"""Resumed runs equal uninterrupted runs, bit for bit."""

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from sorrel.environment import Environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.resume.resumed_config import continued_config, hydra_arguments
from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from sorrel_recurrent_ppo.run_files import RunFiles
from support.run_comparison import assert_same_runs
from support.small_runs import run, small_config, without_times

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
    "newcomers": ("tag", "lstm_ppo", *NEWCOMERS),
    "newcomers of several kinds": (
        *("treasurehunt", "lstm_ppo", *NEWCOMERS),
        *("replacement.model=[gru_ppo,iqn]", "+model.iqn.layer_size=8", "+model.iqn.batch_size=4"),
    ),
}


class Crash(Exception):
    """Simulates the end of a process."""


@pytest.fixture
def crash_at(monkeypatch):
    """Make the next run raise `Crash` at a turn, counted over all epochs."""
    take_turn = Environment.take_turn

    def prepare(turn):
        left = [turn]

        def crash(env, epoch=0):
            left[0] -= 1
            if left[0] < 0:
                monkeypatch.setattr(Environment, "take_turn", take_turn)
                raise Crash
            return take_turn(env, epoch)

        monkeypatch.setattr(Environment, "take_turn", crash)

    return prepare


def config_of(case, *overrides):
    epochs = f"experiment.epochs={LAST}"
    return small_config(*CASES[case], epochs, "checkpoint_period=2", *overrides)


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


def resume(files, *changes):
    config = OmegaConf.merge(OmegaConf.load(files.config), OmegaConf.from_dotlist(list(changes)))
    assert isinstance(config, DictConfig)
    return experiment.run_experiment(config, files, resume=True)


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


def test_resume_warns_of_changed_versions(tmp_path, caplog):
    files, _ = run(tmp_path / "run")
    saved = OmegaConf.load(files.provenance)
    saved.sessions[0].versions.torch = "1.0"  # pyright: ignore[reportAttributeAccessIssue]
    OmegaConf.save(saved, files.provenance)
    resume(files, "experiment.epochs=3")
    assert f"torch 1.0 -> {torch.__version__}" in caplog.text
    assert "numpy" not in caplog.text


def test_provenance_holds_seeds_and_versions(tmp_path):
    files, _ = run(tmp_path / "run", "tag", "lstm_ppo")
    saved = OmegaConf.to_container(OmegaConf.load(files.provenance))
    assert isinstance(saved, dict)
    assert saved["seed"] == 5
    assert [agent["name"] for agent in saved["agents"]] == ["0", "1", "2"]
    assert len({agent["seed"] for agent in saved["agents"]}) == 3
    [session] = saved["sessions"]
    assert session["versions"]["numpy"] == np.__version__
    assert session["versions"]["torch"] == torch.__version__


def test_checkpoint_period_defaults_to_the_record_period_and_is_checked(tmp_path):
    files = start(tmp_path / "run", config_of("gru in tag", "checkpoint_period=null"))
    state = read_run_state(files)
    assert state is not None
    assert state["epoch"] == LAST
    with pytest.raises(ConfigError, match="checkpoint_period must be an integer"):
        start(tmp_path / "other", config_of("gru in tag", "checkpoint_period=0"))


class TestOnTheCommandLine:
    @pytest.fixture
    def directory(self, tmp_path):
        files, _ = run(tmp_path / "run")
        (files.directory / ".hydra").mkdir()
        own = ["seed=5", "model.lstm_ppo.hidden_size=8"]
        OmegaConf.save(OmegaConf.create(own), files.directory / ".hydra" / "overrides.yaml")
        choices = {"hydra": {"runtime": {"choices": {"model": "lstm_ppo"}}}}
        OmegaConf.save(OmegaConf.create(choices), files.directory / ".hydra" / "hydra.yaml")
        return files.directory

    def test_hydra_arguments_use_the_runs_directory_and_overrides(self, directory):
        arguments = hydra_arguments([f"resume={directory}", "experiment.epochs=9", "seed=6"])
        assert arguments == [
            *("model.lstm_ppo.hidden_size=8", "experiment.epochs=9", "seed=6"),
            *(f"resume='{directory}'", f"hydra.run.dir='{directory}'", "hydra.output_subdir=null"),
        ]
        assert hydra_arguments(["resume=null", "seed=6"]) == ["resume=null", "seed=6"]

    def test_hydra_arguments_put_options_before_overrides(self, directory):
        arguments = hydra_arguments(["quiet=true", f"resume={directory}", "--cfg", "job"])
        assert arguments[:2] == ["--cfg", "job"]
        assert arguments[2:5] == ["seed=5", "model.lstm_ppo.hidden_size=8", "quiet=true"]

    def test_continued_config_rejects_contradictions(self, directory):
        composed = small_config("treasurehunt", "lstm_ppo", "seed=6", "experiment.epochs=9")
        composed.resume = str(directory)
        given = ["seed=5", "seed=6", "experiment.epochs=9", "world.gem_value=10"]
        with pytest.raises(ConfigError, match=r"seed=6 \(the run has 5\)\. These may") as refused:
            continued_config(composed, given, ["model"])
        assert "gem_value" not in str(refused.value)
        config = continued_config(composed, given[2:], ["model"])
        assert (config.seed, config.experiment.epochs) == (5, 9)

    def test_hydra_arguments_reject_another_model(self, directory):
        with pytest.raises(ConfigError, match=r"model=gru_ppo \(the run has lstm_ppo\)"):
            hydra_arguments([f"resume={directory}", "model=gru_ppo"])
        hydra_arguments([f"resume={directory}", "model=lstm_ppo"])

    def test_hydra_arguments_reject_a_missing_run_and_a_sweep(self, directory, tmp_path):
        with pytest.raises(ConfigError, match=r"not a run directory: it has no config\.yaml"):
            hydra_arguments([f"resume={tmp_path / 'nowhere'}"])
        with pytest.raises(ConfigError, match="leave out -m"):
            hydra_arguments(["-m", f"resume={directory}"])
