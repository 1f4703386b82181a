"""Saving a run between its epochs: its agents, each under its lasting name, and its state."""

from __future__ import annotations

from sorrel.environment import Environment

from sorrel_recurrent_ppo.interruption import RunStopped, StopRequest
from sorrel_recurrent_ppo.population import Population
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.run_logging import RunLogger
from sorrel_recurrent_ppo.run_state import save_run_state, take_run_state
from sorrel_recurrent_ppo.whole_files import synced, written_whole

__all__ = ["RunCheckpoints"]


class RunCheckpoints:
    """Called at each end of an epoch; saves the run at the checkpoint period and when it ends.

    Args:
        population: The run's population.
        logger: Its logger.
        files: Its files.
        period: Epochs from one checkpoint to the next.
        last_epoch: The number of the run's last epoch.
        first_epoch: The number of the first one that this process runs.
        stop: Whether the run is to stop after the epoch.
    """

    def __init__(
        self,
        population: Population,
        logger: RunLogger,
        files: RunFiles,
        *,
        period: int,
        last_epoch: int,
        first_epoch: int,
        stop: StopRequest,
    ) -> None:
        self._population = population
        self._logger = logger
        self._files = files
        self._period = period
        self._last_epoch = last_epoch
        self._first_epoch = first_epoch
        self._stop = stop
        files.checkpoints.mkdir(parents=True, exist_ok=True)

    def __call__(self, env: Environment, epoch: int) -> None:
        """Save what is due.

        Raises:
            RunStopped: The run was asked to stop, and is saved.
        """
        if epoch < self._first_epoch:
            return
        stops = self._stop.asked and epoch < self._last_epoch
        if stops or epoch % self._period == 0 or epoch == self._last_epoch:
            self._save(env)
        if stops:
            raise RunStopped(epoch)

    def _save(self, env: Environment) -> None:
        for member in self._population.members:
            # Sorrel's own models write in place; a reader must never meet half a file.
            with written_whole(self._files.checkpoint(member.name)) as unfinished:
                env.agents[member.index].model.save(unfinished)
        # The state speaks of the rows before it: these are on the disk first.
        for table in (self._files.metrics, self._files.agents):
            synced(table)
        save_run_state(self._files, take_run_state(env, self._population, self._logger))
