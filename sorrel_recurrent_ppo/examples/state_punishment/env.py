"""The environment of state_punishment, and its statistics of gathering, votes and harm."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
from sorrel.action.action_spec import ActionSpec
from sorrel.environment import Environment
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.utils.turn_stats import TurnStats

from sorrel_recurrent_ppo.examples.default_model import build_iqn
from sorrel_recurrent_ppo.examples.state_punishment.agents import (
    ACTIONS,
    SCALARS,
    StatePunishmentAgent,
)
from sorrel_recurrent_ppo.examples.state_punishment.world import StatePunishmentWorld

__all__ = ["ENTITY_LIST", "StatePunishmentEnv"]

ENTITY_LIST = ["EmptyEntity", "Wall", "Apple", "Coal", "Gem", "StatePunishmentAgent"]


class StatePunishmentEnv(Environment[StatePunishmentWorld]):
    """An environment in which agents gather resources and vote on a shared field.

    Args:
        world: The field.
        config: The configuration, with the sections ``experiment``, ``world`` and ``agent`` of
            ``configs/environment/state_punishment.yaml``.
    """

    def setup_agents(self) -> None:
        """Create the agents."""
        self.agents = [self._make_agent(index) for index in range(self.world.num_agents)]

    def _make_agent(self, index: int) -> StatePunishmentAgent:
        observation_spec = OneHotObservationSpec(
            ENTITY_LIST, full_view=False, vision_radius=self.config.agent.vision_radius
        )
        picture_size = math.prod(observation_spec.input_size)
        observation_spec.override_input_size((picture_size + SCALARS,))
        action_spec = ActionSpec(ACTIONS)
        model = build_iqn(observation_spec, action_spec)
        return StatePunishmentAgent(observation_spec, action_spec, model, index)

    def populate_environment(self) -> None:
        """Build the field and place each agent on a random empty cell."""
        self.world.begin_epoch()
        self.world.build()
        for agent in self.agents:
            self.world.add(self.world.random_empty_cell(), agent)

    def take_turn(self, epoch: int = 0) -> None:
        """Apply the votes of the last turn, then let all agents act."""
        self.world.begin_turn()
        super().take_turn(epoch)

    def collect_turn_stats(self, epoch: int) -> TurnStats:
        """Add the punishment level and the tally of this turn."""
        stats = super().collect_turn_stats(epoch)
        tally = asdict(self.world.tally)
        gathered = tally.pop("gathered")
        stats.extra["level"] = self.world.level
        stats.extra.update(tally)
        stats.extra.update({f"gathered_{name}": count for name, count in gathered.items()})
        return stats

    def aggregate_epoch_stats(self) -> dict[str, float]:
        """Add the mean and the final level, and the sum of every other statistic over the epoch.

        The names are ``level``, ``level_end``, ``votes_raise``, ``votes_lower``, ``harm``,
        ``punishment`` and ``gathered_<resource>``.
        """
        epoch_stats = super().aggregate_epoch_stats()
        if not self._epoch_turn_stats:
            return epoch_stats
        for name in self._epoch_turn_stats[0].extra:
            values = np.array([stats.extra[name] for stats in self._epoch_turn_stats])
            epoch_stats[name] = float(values.mean() if name == "level" else values.sum())
        epoch_stats["level_end"] = self.world.level
        return epoch_stats
