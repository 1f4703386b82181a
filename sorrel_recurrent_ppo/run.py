"""``sorrel-recurrent-ppo run``: the Hydra application that runs an experiment."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.console_log import warnings_only
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.sweep_jobs import failing_alone

__all__ = ["main", "run_job"]


def main() -> None:
    """Run the application on the arguments in ``sys.argv``."""
    # The path is absolute, since a wheel and a checkout keep the configs in different places.
    application = hydra.main(
        version_base="1.3", config_path=str(config_dir()), config_name="config"
    )
    application(run_job)()


@failing_alone
def run_job(config: DictConfig) -> float:
    """Run one job of the application.

    Args:
        config: The composed config.

    Returns:
        The mean reward of an epoch in the last tenth of the run, which is what a sweeper that
        optimises gets to see.

    Raises:
        CompactHydraException: The user's config is at fault; Hydra shows it without a traceback.
    """
    # Imports PyTorch and Sorrel, which --help and --cfg do without.
    from sorrel_recurrent_ppo.experiment import run_experiment

    hydra_config = HydraConfig.get()
    try:
        with warnings_only() if config.quiet else nullcontext():
            summary = run_experiment(
                config,
                RunFiles(Path(hydra_config.runtime.output_dir)),
                plain=hydra_config.mode is RunMode.MULTIRUN,
            )
    except (ConfigError, CheckpointError, OmegaConfBaseException) as error:
        raise CompactHydraException(str(error)) from error
    return summary.reward_end
