"""The agent of state_punishment, whose action combines a move and a vote."""

from __future__ import annotations

from itertools import product

import numpy as np
from sorrel.action.action_spec import ActionSpec
from sorrel.agents import MovingAgent
from sorrel.models import BaseModel
from sorrel.observation.observation_spec import ObservationSpec

from sorrel_recurrent_ppo.examples.state_punishment.entities import Resource
from sorrel_recurrent_ppo.examples.state_punishment.world import StatePunishmentWorld

__all__ = ["ACTIONS", "MOVES", "SCALARS", "VOTES", "StatePunishmentAgent"]

MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1), "stay": (0, 0)}
VOTES = {"keep": 0, "raise": 1, "lower": -1}
ACTIONS = [f"{move}+{vote}" for move, vote in product(MOVES, VOTES)]
"""Names of the joint actions; the index of an action is ``move * len(VOTES) + vote``."""

SCALARS = 3
"""Number of scalars after the picture in the observation."""


class StatePunishmentAgent(MovingAgent[StatePunishmentWorld]):
    """A forager that also votes.

    Args:
        observation_spec: The observation specification.
        action_spec: The joint actions ``ACTIONS``.
        model: The model that chooses the actions.
        index: Index of the agent in ``env.agents``.
    """

    def __init__(
        self,
        observation_spec: ObservationSpec,
        action_spec: ActionSpec,
        model: BaseModel,
        index: int,
    ):
        super().__init__(observation_spec, action_spec, model)
        self.index = index
        self.last_vote = 0

    def reset(self) -> None:
        """Reset the model and the last vote for a new epoch."""
        self.model.reset()
        self.last_vote = 0

    def pov(self, world: StatePunishmentWorld) -> np.ndarray:
        """Return the flattened visual field and three scalars, of shape ``(1, N)``.

        The scalars are the punishment level, the agent's last vote (-1, 0 or 1) and the harm done
        to it by other agents since its last action.
        """
        picture = self.observation_spec.observe(world, self.location)
        scalars = (world.level, self.last_vote, world.pending_harm[self.index])
        return np.concatenate((picture.ravel(), scalars)).reshape(1, -1)

    def get_action(self, state: np.ndarray) -> int:
        """Return the model's action on the stacked states."""
        stacked_states = np.vstack((self.model.memory.current_state(), state))
        return self.model.take_action(stacked_states.reshape(1, -1))

    def act(self, world: StatePunishmentWorld, action: int) -> float:
        """Vote, move and gather; return the gain minus the harm done by other agents."""
        move, vote = self.action_spec.get_readable_action(action).split("+")
        self.last_vote = VOTES[vote]
        world.cast_vote(self.last_vote)
        reward = -world.suffer(self.index)
        return reward + self._step(world, move)

    def _step(self, world: StatePunishmentWorld, move: str) -> float:
        """Move if the target cell is passable, and return the gain of its resource, if any."""
        row, column, layer = self.location
        row_step, column_step = MOVES[move]
        if move in self._sprite_direction_index:
            self.sprite = self.sprite_directions[self._sprite_direction_index[move]]
        new_location = (row + row_step, column + column_step, layer)
        target = world.observe(new_location)
        world.move(self, new_location)
        if not isinstance(target, Resource):
            return 0.0
        world.spawn(target.kind.lower())
        return world.gather(self.index, target)

    def is_done(self, world: StatePunishmentWorld) -> bool:
        """Return whether the epoch is over."""
        return world.is_done
