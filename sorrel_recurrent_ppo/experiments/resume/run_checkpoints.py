"""Checkpoints of a run between epochs: its agents, by their lasting names, and its state."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.experiments.interruption import RunStopped, StopRequest
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.resume.kept_checkpoints import KeptCheckpoints
from sorrel_recurrent_ppo.experiments.resume.run_state import capture_run_state, save_run_state
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.atomic_files import atomic_write, sync_file

__all__ = ["RunCheckpoints"]

log = logging.getLogger(__name__)


class RunCheckpoints:
    """Epoch-end callback that saves the run at the checkpoint period and at its end.

    Args:
        experiment: The experiment.
        logger: The run's logger.
        files: The run's files.
        period: Epochs between two checkpoints.
        first_epoch: The first epoch that this process runs.
        stop: Whether to stop after the current epoch.
        kept: The copies of checkpoints by epoch; ``None`` for none.
    """

    def __init__(
        self,
        experiment: BuiltExperiment,
        logger: RunLogger,
        files: RunFiles,
        *,
        period: int,
        first_epoch: int,
        stop: StopRequest,
        kept: KeptCheckpoints | None = None,
    ) -> None:
        self._experiment = experiment
        self._logger = logger
        self._files = files
        self._period = period
        self._last_epoch = experiment.config.experiment.epochs
        self._first_epoch = first_epoch
        self._stop = stop
        self._kept = kept
        files.checkpoints.mkdir(parents=True, exist_ok=True)

    def __call__(self, runner: Any, epoch: int) -> None:
        """Save the run if it is due.

        Raises:
            RunStopped: A stop was requested; the run is saved.
            CheckpointError: A file could not be written; its previous version is unchanged.
        """
        if epoch < self._first_epoch:
            return
        stops = self._stop.requested and epoch < self._last_epoch
        is_kept = self._kept is not None and self._kept.is_due(epoch)
        if stops or is_kept or epoch % self._period == 0 or epoch == self._last_epoch:
            self._save(epoch, is_last=stops)
        if stops:
            log.info("Stopping after epoch %d, as requested.", epoch)
            raise RunStopped(epoch)

    def _save(self, epoch: int, *, is_last: bool) -> None:
        is_complete = epoch == self._last_epoch
        members = self._experiment.population.members
        for member in members:
            _save_model(member.agent.model, self._files.checkpoint(member.name))
        # Before the state, with which a resumed run does not repeat the epoch.
        if self._kept is not None and self._kept.is_due(epoch):
            self._kept.keep([member.name for member in members], epoch)
        state = capture_run_state(self._experiment, self._logger)
        if is_complete or is_last:  # after the state, from which a resumed run averages on
            self._logger.write_open_period()
        # The state refers to the CSV rows before it, so these must be on disk first.
        for table in (self._files.metrics, self._files.agents):
            sync_file(table)
        save_run_state(self._files, state | {"is_complete": is_complete})


def _save_model(model: BaseModel, path: Path) -> None:
    if is_ppo_model(model):
        model.save(path)
        return
    try:
        # Sorrel's own models write in place; a reader must never see a partial file.
        with atomic_write(path) as partial:
            model.save(partial)
    except (OSError, RuntimeError) as error:  # PyTorch raises RuntimeError on a full disk
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"checkpoint {path} could not be written: {reason}") from error
