"""The config and the command-line arguments of a resumed run."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.resume import resumed_config
from sorrel_recurrent_ppo.experiments.resume.resumed_config import (
    hydra_arguments,
    resumed_run_config,
)
from support.small_runs import run, small_config

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.fixture
def directory(tmp_path):
    """Return a run directory with Hydra's record of its overrides and choices."""
    files, _ = run(tmp_path / "run")
    (files.directory / ".hydra").mkdir()
    own = ["seed=5", "model.lstm_ppo.hidden_size=8"]
    OmegaConf.save(OmegaConf.create(own), files.directory / ".hydra" / "overrides.yaml")
    choices = {"hydra": {"runtime": {"choices": {"model": "lstm_ppo"}}}}
    OmegaConf.save(OmegaConf.create(choices), files.directory / ".hydra" / "hydra.yaml")
    return files.directory


def test_hydra_arguments_use_the_runs_directory_and_overrides(directory):
    arguments = hydra_arguments([f"resume={directory}", "experiment.epochs=9", "seed=6"])
    assert arguments == [
        *("model.lstm_ppo.hidden_size=8", "experiment.epochs=9", "seed=6"),
        *(f"resume='{directory}'", f"hydra.run.dir='{directory}'", "hydra.output_subdir=null"),
    ]
    assert hydra_arguments(["resume=null", "seed=6"]) == ["resume=null", "seed=6"]


def test_resume_without_a_directory_is_an_error():
    with pytest.raises(ConfigError, match="resume= names no directory"):
        hydra_arguments(["resume=", "seed=6"])


def test_hydra_arguments_put_options_before_overrides(directory):
    arguments = hydra_arguments(["quiet=true", f"resume={directory}", "--cfg", "job"])
    assert arguments[:2] == ["--cfg", "job"]
    assert arguments[2:5] == ["seed=5", "model.lstm_ppo.hidden_size=8", "quiet=true"]


def test_resumed_run_config_rejects_contradictions(directory):
    composed = small_config("treasurehunt", "lstm_ppo", "seed=6", "experiment.epochs=9")
    composed.resume = str(directory)
    given = ["seed=5", "seed=6", "experiment.epochs=9", "world.gem_value=10"]
    with pytest.raises(ConfigError, match=r"seed=6 \(the run has 5\)\. These may") as refused:
        resumed_run_config(composed, given, ["model"])
    assert "gem_value" not in str(refused.value)
    config = resumed_run_config(composed, given[2:], ["model"])
    assert (config.seed, config.experiment.epochs) == (5, 9)


def test_hydra_arguments_reject_another_model(directory):
    with pytest.raises(ConfigError, match=r"model=gru_ppo \(the run has lstm_ppo\)"):
        hydra_arguments([f"resume={directory}", "model=gru_ppo"])
    hydra_arguments([f"resume={directory}", "model=lstm_ppo"])


def test_hydra_arguments_reject_a_missing_run_and_a_sweep(directory, tmp_path):
    with pytest.raises(ConfigError, match="nowhere: there is no such directory"):
        hydra_arguments([f"resume={tmp_path / 'nowhere'}"])
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(ConfigError, match=r"not a run directory: it has no config\.yaml"):
        hydra_arguments([f"resume={tmp_path / 'nowhere'}"])
    with pytest.raises(ConfigError, match="leave out -m"):
        hydra_arguments(["-m", f"resume={directory}"])


@pytest.mark.parametrize(
    ("is_windows", "command"),
    [
        (False, "sorrel-recurrent-ppo run 'resume=runs/my run'"),
        (True, 'sorrel-recurrent-ppo run "resume=runs/my run"'),
    ],
)
def test_resume_command_is_quoted_for_the_systems_shell(is_windows, command, monkeypatch):
    monkeypatch.setattr(resumed_config, "_IS_WINDOWS", is_windows)
    assert resumed_config.resume_command(Path("runs/my run")) == command
