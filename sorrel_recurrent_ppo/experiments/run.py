"""``sorrel-recurrent-ppo run``: the Hydra application that runs an experiment."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, NumericalError
from sorrel_recurrent_ppo.experiments.hydra_versions import (
    main_arguments,
    unrestricted_instantiation,
)
from sorrel_recurrent_ppo.experiments.interruption import INTERRUPTED, RunStopped
from sorrel_recurrent_ppo.experiments.logging.console_log import warnings_only
from sorrel_recurrent_ppo.experiments.resume.resumed_config import (
    command_of,
    hydra_arguments,
    resume_command,
    resumed_run_config,
)
from sorrel_recurrent_ppo.experiments.shadowed_files import check_shadowed_files
from sorrel_recurrent_ppo.experiments.sweep_jobs import isolate_job_failures
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.original_directory import (
    from_original_directory,
    original_directory,
)

__all__ = ["main", "run_job"]

log = logging.getLogger(__name__)


def main() -> None:
    """Run the application on the arguments in ``sys.argv``."""
    sys.argv[1:] = hydra_arguments(sys.argv[1:])
    # The path is absolute, since a wheel and a checkout keep the configs in different places.
    application = hydra.main(
        config_path=str(config_dir()), config_name="config", **main_arguments()
    )
    application(run_job)()


@isolate_job_failures
def run_job(config: DictConfig) -> float:
    """Run one job of the application.

    Args:
        config: The composed config.

    Returns:
        The mean reward of an epoch in the last tenth of the run, the objective for optimising
        sweepers.

    Raises:
        CompactHydraException: The user's config is invalid; Hydra prints it without a traceback.
        SystemExit: The run was interrupted.
    """
    # Deferred: imports PyTorch and Sorrel, which --help and --cfg do not need.
    from sorrel_recurrent_ppo.experiments.experiment import Invocation, run_experiment

    hydra_config = HydraConfig.get()
    files = RunFiles(Path(hydra_config.runtime.output_dir))
    overrides, resume = hydra_config.overrides, config.resume is not None
    in_sweep = hydra_config.mode is RunMode.MULTIRUN
    try:
        check_shadowed_files(hydra_config.runtime)
        if resume:
            files = RunFiles(from_original_directory(config.resume))
            config = resumed_run_config(config, overrides.task, hydra_config.runtime.choices)
        else:
            _check_chosen_model(config, overrides.task)
        quiet = warnings_only() if config.get("quiet", False) else nullcontext()
        with quiet, unrestricted_instantiation():
            summary = run_experiment(
                config,
                files,
                resume=resume,
                invocation=Invocation(
                    in_sweep=in_sweep,
                    is_model_chosen=not resume and bool(_chosen_models(overrides.task)),
                    command=command_of(
                        hydra_config.runtime,
                        overrides,
                        files.directory if resume else None,
                        in_sweep=in_sweep,
                    ),
                ),
            )
    except (ConfigError, CheckpointError, NumericalError, OmegaConfBaseException) as error:
        raise CompactHydraException(str(error)) from error
    except KeyboardInterrupt as interruption:
        _log_how_to_resume(files, interruption)
        if in_sweep:
            log.warning(
                "The sweep ends here: its later jobs are not run. For these, start another sweep "
                "with the values that are left."
            )
        raise SystemExit(INTERRUPTED) from None
    return summary.reward_end


def _chosen_models(overrides: Sequence[str]) -> dict[str, str]:
    """Return the arguments that name a model for all agents, by their keys."""
    given = dict(text.lstrip("+").split("=", 1) for text in overrides if "=" in text)
    return {k: v for k, v in given.items() if k in ("model", "model.type", "model.model_type")}


def _check_chosen_model(config: DictConfig, overrides: Sequence[str]) -> None:
    """Raise ConfigError if the environment's file names another model than ``model=NAME``."""
    chosen = _chosen_models(overrides)
    name, composed = chosen.get("model"), OmegaConf.select(config, "model.type")
    if chosen.keys() == {"model"} and name != "own" and composed not in (name, None):
        raise ConfigError(
            f"model={name} would have no effect: the environment's config file has "
            f"model.type={composed}. Leave it out there, or write model.type={name}"
        )


def _log_how_to_resume(files: RunFiles, interruption: KeyboardInterrupt) -> None:
    if isinstance(interruption, RunStopped):
        message = f"Stopped after epoch {interruption.epoch}, which is saved."
    else:
        message = "Stopped immediately; the epochs since the last checkpoint will be repeated."
    directory, here = files.directory.resolve(), original_directory()
    if directory.is_relative_to(here):
        directory = directory.relative_to(here)
    log.warning("%s To resume: %s", message, resume_command(directory))
