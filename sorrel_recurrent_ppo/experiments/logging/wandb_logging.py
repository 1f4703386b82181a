"""Optional logging of a run to Weights & Biases."""

from __future__ import annotations

import importlib
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord, Sink, scalars
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.checks import check_choice
from sorrel_recurrent_ppo.support.randomness import untouched_random_state

__all__ = ["WandbSink", "wandb_sinks"]

LOGGERS = ("files", "wandb")
MODES = ("online", "offline", "disabled")


def wandb_sinks(config: DictConfig, files: RunFiles) -> list[Sink]:
    """Return the sink for ``logger=wandb``, or an empty list.

    Args:
        config: The run's resolved config, with the section ``logger``; it is uploaded.
        files: The run's files.

    Raises:
        ConfigError: The logger or its mode is unknown, wandb is not installed, or it fails to
            start.
    """
    kind = OmegaConf.select(config, "logger.type", default="files")
    check_choice("logger.type", kind, LOGGERS)
    return [WandbSink(config, files)] if kind == "wandb" else []


class WandbSink:
    """Logs the same metrics as TensorBoard, with ``epoch`` as the horizontal axis.

    A resumed run continues the same wandb run.

    Args:
        config: The run's resolved config.
        files: The run's files; wandb writes its own to the same directory.

    Raises:
        ConfigError: wandb is not installed or fails to start.
    """

    def __init__(self, config: DictConfig, files: RunFiles) -> None:
        settings = config.logger
        check_choice("logger.mode", settings.mode, MODES)
        wandb = _import_wandb()
        try:
            with untouched_random_state():
                self._run = wandb.init(
                    project=settings.project,
                    entity=settings.entity,
                    name=settings.name or _name(config),
                    group=settings.group,
                    tags=list(settings.tags),
                    mode=settings.mode,
                    dir=str(files.directory),
                    config=OmegaConf.to_container(config, resolve=True),
                    id=_earlier_id(files),
                    resume="allow",
                    # Capturing the terminal would garble the live view.
                    settings=wandb.Settings(console="off"),
                )
        except wandb.errors.Error as error:
            raise ConfigError(
                f"logger=wandb: {error} (logger.mode=offline needs no account)"
            ) from error
        files.wandb_id.write_text(self._run.id, encoding="utf-8")
        # Not wandb's own step, which cannot return to epochs that a resumed run repeats.
        self._run.define_metric("*", step_metric="epoch")

    def write(self, record: EpochRecord) -> None:
        """Log an epoch."""
        epoch_values = {
            "epoch": record.epoch,
            "loss": record.loss,
            "score": record.reward,
            "epsilon": record.epsilon,
        }
        self._run.log({**scalars(record), **epoch_values})

    def close(self) -> None:
        """Finish the wandb run, uploading pending data."""
        self._run.finish()


def _import_wandb() -> Any:
    try:
        return importlib.import_module("wandb")
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise
        raise ConfigError(
            "logger=wandb, but wandb is not installed. Install it with pip install wandb"
        ) from error


def _name(config: DictConfig) -> str:
    models = OmegaConf.to_container(OmegaConf.create([config.model.type]))
    assert isinstance(models, list)
    names = models[0] if isinstance(models[0], list) else models
    return f"{config.environment.name} {'+'.join(dict.fromkeys(names))} seed {config.seed}"


def _earlier_id(files: RunFiles) -> str | None:
    path = files.wandb_id
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
