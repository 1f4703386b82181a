"""Saving the agents of a run, each under its lasting name."""

from __future__ import annotations

import os

from sorrel.environment import Environment

from sorrel_recurrent_ppo.population import Population
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.run_logging import EpochRecord

__all__ = ["CheckpointSink"]


class CheckpointSink:
    """Saves every agent of the population at the record period and at the end of the run.

    Args:
        env: The environment whose agents are saved.
        population: Its agents by their lasting names.
        files: The run's files.
        period: Epochs between two savings.
    """

    def __init__(
        self, env: Environment, population: Population, files: RunFiles, period: int
    ) -> None:
        self._env = env
        self._population = population
        self._files = files
        self._period = period
        files.checkpoints.mkdir(parents=True, exist_ok=True)

    def write(self, record: EpochRecord) -> None:
        """Save the agents when the epoch's number is a multiple of the period."""
        if record.epoch and record.epoch % self._period == 0:
            self._save()

    def close(self) -> None:
        """Save the agents as they are at the end."""
        self._save()

    def _save(self) -> None:
        for member in self._population.members:
            path = self._files.checkpoint(member.name)
            # Sorrel's own models write in place; a reader must never meet half a file.
            unfinished = path.with_suffix(".unfinished")
            self._env.agents[member.index].model.save(unfinished)
            os.replace(unfinished, path)
