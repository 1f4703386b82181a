"""Saving the agents of a run, each under its lasting name."""

from __future__ import annotations

import os

from sorrel.environment import Environment

from sorrel_recurrent_ppo.population import Population
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.run_logging import EpochRecord

__all__ = ["CheckpointSink"]


class CheckpointSink:
    """Saves every agent of the population at the record period and after the last epoch.

    Args:
        env: The environment whose agents are saved.
        population: Its agents by their lasting names.
        files: The run's files.
    """

    def __init__(self, env: Environment, population: Population, files: RunFiles) -> None:
        self._env = env
        self._population = population
        self._files = files
        self._period: int = env.config.experiment.record_period
        self._last_epoch: int = env.config.experiment.epochs
        files.checkpoints.mkdir(parents=True, exist_ok=True)

    def write(self, record: EpochRecord) -> None:
        """Save the agents when it is time."""
        if record.epoch % self._period and record.epoch != self._last_epoch:
            return
        for member in self._population.members:
            path = self._files.checkpoint(member.name)
            # Sorrel's own models write in place; a reader must never meet half a file.
            unfinished = path.with_suffix(".unfinished")
            self._env.agents[member.index].model.save(unfinished)
            os.replace(unfinished, path)

    def close(self) -> None:
        """Leave the files as they are: after an error the agents are not fit to be saved."""
