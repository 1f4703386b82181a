"""What a run leaves of an agent whose numbers have gone wrong."""

from __future__ import annotations

from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import CheckpointError, NumericalError
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.run_files import RunFiles

__all__ = ["save_before_fault"]


def save_before_fault(
    error: NumericalError, env: Environment, population: Population, files: RunFiles
) -> NumericalError:
    """Save the agent at fault as it was before, and return the error with the file's name.

    Loading the file and calling ``model.learn()`` repeats the update.

    Args:
        error: What stopped the run.
        env: The environment.
        population: Its population.
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
                return NumericalError(f"{error}. Its state before is lost: {failed}", name)
            return NumericalError(f"{error}. Its state before is in {path}", name)
    return error
