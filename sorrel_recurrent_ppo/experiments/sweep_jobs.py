"""Isolation of failing jobs in a sweep."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from sorrel_recurrent_ppo.errors import JobFailed

__all__ = ["isolate_job_failures"]

log = logging.getLogger(__name__)


def isolate_job_failures(job: Callable[[DictConfig], float]) -> Callable[[DictConfig], float]:
    """Keep a failing job of a sweep from stopping the other jobs.

    Hydra's launchers pickle a job's exception for the process that started the sweep. Many
    exceptions cannot be pickled, which would end the entire sweep. They are therefore replaced by a
    plain exception, and the traceback is logged to the job's ``run.log``.

    Args:
        job: Hydra's task function. Outside a sweep its one-line errors become `JobFailed`.
    """

    @functools.wraps(job)
    def run(config: DictConfig) -> float:
        hydra_config = HydraConfig.get()
        if hydra_config.mode is not RunMode.MULTIRUN:
            try:
                return job(config)
            except CompactHydraException as error:
                _log_to_file(str(error))
                raise JobFailed(str(error)) from error
            except Exception:
                _log_to_file("The run failed", with_traceback=True)
                raise
        directory = hydra_config.runtime.output_dir
        try:
            return job(config)
        except CompactHydraException as error:  # already a one-line message
            log.error("%s failed: %s", directory, error)
            raise CompactHydraException(f"{directory}: {error}") from None
        except Exception as error:
            log.exception("%s failed", directory)
            raise CompactHydraException(
                f"{directory}: {type(error).__name__}: {error} (its run.log has the traceback)"
            ) from None

    return run


def _log_to_file(message: str, *, with_traceback: bool = False) -> None:
    """Log an error to ``run.log`` alone, since the program prints it."""
    error = sys.exc_info() if with_traceback else None
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, message, (), error)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)
