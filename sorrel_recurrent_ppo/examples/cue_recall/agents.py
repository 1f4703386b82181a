"""The agent of cue_recall."""

from __future__ import annotations

import numpy as np
from sorrel.action.action_spec import ActionSpec
from sorrel.agents import MovingAgent
from sorrel.models import BaseModel
from sorrel.observation.observation_spec import ObservationSpec

from sorrel_recurrent_ppo.examples.cue_recall.world import CueRecallWorld

__all__ = ["CueRecallAgent"]


class CueRecallAgent(MovingAgent[CueRecallWorld]):
    """An agent that walks up its lane and into an arm; it cannot walk back to the cue.

    Args:
        observation_spec: The observation specification.
        action_spec: The actions ``up``, ``left`` and ``right``.
        model: The model that chooses the actions.
        lane: Index of the agent's lane.
    """

    def __init__(
        self,
        observation_spec: ObservationSpec,
        action_spec: ActionSpec,
        model: BaseModel,
        lane: int,
    ):
        super().__init__(observation_spec, action_spec, model)
        self.lane = lane

    def reset(self) -> None:
        """Reset the model for a new epoch."""
        self.model.reset()

    def pov(self, world: CueRecallWorld) -> np.ndarray:
        """Return the visual field, flattened, of shape ``(1, N)``."""
        return self.observation_spec.observe(world, self.location).reshape(1, -1)

    def get_action(self, state: np.ndarray) -> int:
        """Return the model's action on the stacked states."""
        stacked_states = np.vstack((self.model.memory.current_state(), state))
        return self.model.take_action(stacked_states.reshape(1, -1))

    def act(self, world: CueRecallWorld, action: int) -> float:
        """Move, and return the value of the entity in the target cell, entered or not."""
        new_location = self.movement(action)
        target = world.observe(new_location)
        world.move(self, new_location)
        world.note_step(self.lane, target)
        return target.value

    def is_done(self, world: CueRecallWorld) -> bool:
        """Return whether the agent's trial or the epoch is over."""
        return world.is_done or world.trials[self.lane].outcome is not None
