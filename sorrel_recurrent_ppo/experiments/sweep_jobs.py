"""Failures of single jobs in a sweep: logged in the job's directory, and isolated."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

__all__ = ["isolate_job_failures"]

log = logging.getLogger(__name__)


def isolate_job_failures(job: Callable[[DictConfig], float]) -> Callable[[DictConfig], float]:
    """Make a failing job of a sweep leave the other jobs running.

    Hydra's launchers carry what a job raises back to the process that started the sweep. Many
    exceptions cannot be carried: the attempt would end the whole sweep, with what is still running.
    So a plain one takes their place, and the job's ``run.log`` gets the traceback.

    Args:
        job: Hydra's task function. Outside a sweep it is left alone.
    """

    @functools.wraps(job)
    def run(config: DictConfig) -> float:
        hydra_config = HydraConfig.get()
        if hydra_config.mode is not RunMode.MULTIRUN:
            return job(config)
        directory = hydra_config.runtime.output_dir
        try:
            return job(config)
        except CompactHydraException as error:  # in words already
            log.error("%s failed: %s", directory, error)
            raise CompactHydraException(f"{directory}: {error}") from None
        except Exception as error:
            log.exception("%s failed", directory)
            raise CompactHydraException(
                f"{directory}: {type(error).__name__}: {error} (its run.log has the traceback)"
            ) from None

    return run
