"""Logging to Weights & Biases.

A fake module checks the calls to wandb; only `test_wandb_logs_a_run_offline` needs wandb itself.
"""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.logging.wandb_logging import wandb_sinks
from sorrel_recurrent_ppo.run_files import RunFiles
from support.small_runs import run, small_config

pytestmark = pytest.mark.usefixtures("own_process")

WANDB = ("treasurehunt", "lstm_ppo", "logger=wandb", "logger.mode=offline")


class FakeWandb(ModuleType):
    """Fake of the parts of wandb that are used."""

    def __init__(self):
        super().__init__("wandb")
        self.begun, self.logged, self.finished = [], [], 0
        self.errors = SimpleNamespace(Error=type("Error", (Exception,), {}))
        self.Settings = lambda **settings: settings
        self.error_message = None

    def init(self, **arguments):
        if self.error_message:
            raise self.errors.Error(self.error_message)
        self.begun.append(arguments)
        return SimpleNamespace(
            id=arguments["id"] or "new",
            define_metric=lambda *_, **__: None,
            log=self.logged.append,
            finish=self._finish,
        )

    def _finish(self):
        self.finished += 1


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_wandb_sink_logs_the_metrics_of_tensorboard(wandb, tmp_path):
    files, _ = run(tmp_path / "run", *WANDB, "logger.project=memory", "logger.tags=[a]")
    events = EventAccumulator(str(files.tensorboard)).Reload()
    assert [logged["epoch"] for logged in wandb.logged] == [0, 1, 2]
    assert {*wandb.logged[-1]} - {"epoch"} == set(events.Tags()["scalars"])
    for name, value in wandb.logged[-1].items():
        if name != "epoch":
            assert events.Scalars(name)[-1].value == pytest.approx(value, rel=1e-6)
    (begun,) = wandb.begun
    assert (begun["project"], begun["tags"], begun["mode"]) == ("memory", ["a"], "offline")
    assert begun["name"] == "treasurehunt lstm_ppo seed 5"
    assert begun["config"]["model"]["lstm_ppo"]["hidden_size"] == 8
    assert wandb.finished == 1


def test_wandb_sink_of_a_resumed_run_keeps_the_run_id(wandb, tmp_path):
    files = RunFiles(tmp_path)
    config = small_config(*WANDB)
    for _ in range(2):
        wandb_sinks(config, files)
    assert [begun["id"] for begun in wandb.begun] == [None, "new"]


def test_wandb_error_suggests_offline_mode(wandb, tmp_path):
    wandb.error_message = "No API key configured."
    with pytest.raises(ConfigError, match=r"No API key configured\. \(logger.mode=offline"):
        run(tmp_path / "run", *WANDB)


def test_missing_wandb_error_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        run(tmp_path / "run", *WANDB)
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("logger.mode=ofline", "logger.mode cannot be 'ofline'. Did you mean 'offline'"),
        ("logger.type=wnadb", "logger.type cannot be 'wnadb'. Did you mean 'wandb'"),
    ],
)
def test_unknown_logger_setting_suggests_the_closest(override, message, wandb, tmp_path):
    with pytest.raises(ConfigError) as error:
        run(tmp_path / "run", *WANDB, override)
    assert message in str(error.value)


def test_wandb_sinks_of_a_config_without_logger_is_empty(tmp_path):
    assert wandb_sinks(OmegaConf.create({"seed": 1}), RunFiles(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
@pytest.mark.filterwarnings("ignore")  # its own
def test_wandb_logs_a_run_offline(tmp_path):
    files, _ = run(tmp_path / "run", *WANDB)
    assert list((files.directory / "wandb").glob("offline-run-*/*.wandb"))
    assert files.wandb_id.read_text()
