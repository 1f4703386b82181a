"""Checkpoint of an agent whose update produced non-finite numbers."""

from __future__ import annotations

from sorrel_recurrent_ppo.errors import CheckpointError, NumericalError
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.run_files import RunFiles

__all__ = ["save_before_fault"]


def save_before_fault(
    error: NumericalError, population: Population, files: RunFiles
) -> NumericalError:
    """Save the faulty agent's state before the update; return the error with the path.

    Loading the file and calling ``model.learn()`` repeats the update.

    Args:
        error: The error that stopped the run.
        population: The run's population.
        files: The run's files; the agent goes to ``checkpoints/<name>.before_fault.pt``.
    """
    name = error.agent_name
    for member in population.members:
        model = member.agent.model
        if isinstance(model, RecurrentPPO) and model.agent_name == name:
            path = files.checkpoint(f"{member.name}.before_fault")
            try:
                model.save(path)
            except CheckpointError as failed:
                return NumericalError(
                    f"{error}. Its state before the update could not be saved: {failed}", name
                )
            return NumericalError(f"{error}. Its state before the update is in {path}", name)
    return error
