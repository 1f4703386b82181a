"""The field of state_punishment, its resources, and the level of punishment that is shared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from omegaconf import DictConfig, OmegaConf
from sorrel.entities.basic_entities import Wall
from sorrel.examples.treasurehunt.entities import Sand
from sorrel.worlds import Gridworld

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.examples.state_punishment.entities import RESOURCES, Resource
from sorrel_recurrent_ppo.examples.world_random import random_index

__all__ = ["StatePunishmentWorld", "TurnTally"]

_FLOOR, _OBJECTS = 0, 1


@dataclass
class TurnTally:
    """What the agents have done in a turn.

    Attributes:
        votes_raise: Votes for a higher level.
        votes_lower: Votes for a lower level.
        harm: What agents lost by what others gathered, summed over those harmed.
        punishment: What agents paid for harmful gathering.
        gathered: Resources gathered, by name.
    """

    votes_raise: int = 0
    votes_lower: int = 0
    harm: float = 0.0
    punishment: float = 0.0
    gathered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0))


class StatePunishmentWorld(Gridworld):
    """A walled field on which a constant number of resources of each kind lies.

    Attributes:
        level: The level of punishment in force, from 0 to 1.
        pending_harm: For each agent, what others have done to it since it last acted.
        tally: What has happened in the current turn.
    """

    def __init__(self, config: dict | DictConfig, default_entity):
        if not isinstance(config, DictConfig):
            config = OmegaConf.create(config)
        self.num_agents = int(config.agent.num_agents)
        self.initial_level = float(config.world.initial_level)
        self.vote_step = float(config.world.vote_step)
        self.counts, self.parameters = _read_resources(config.world.resources)
        super().__init__(int(config.world.height), int(config.world.width), 2, default_entity)
        self._validate()
        self.begin_epoch()

    def _validate(self) -> None:
        if self.num_agents < 2:
            raise ConfigError(
                f"agent.num_agents must be at least 2 (one to harm another), not {self.num_agents}"
            )
        for name in ("initial_level", "vote_step"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"world.{name} must be between 0 and 1, not {getattr(self, name)}"
                )
        things = self.num_agents + sum(self.counts.values())
        room = (self.height - 2) * (self.width - 2)
        if things >= room:
            raise ConfigError(
                f"{self.num_agents} agents and {things - self.num_agents} resources do not fit on "
                f"a field of {self.height}x{self.width}, which has {room} cells inside its walls"
            )

    def begin_epoch(self) -> None:
        """Set the level to its first value and forget all votes and harms."""
        self.level = self.initial_level
        self.pending_harm = [0.0] * self.num_agents
        self.tally = TurnTally()

    def begin_turn(self) -> None:
        """Move the level as the last turn's votes say, and open a new tally.

        A unanimous vote moves it by ``vote_step``, a divided one by less.
        """
        balance = (self.tally.votes_raise - self.tally.votes_lower) / self.num_agents
        self.level = min(1.0, max(0.0, self.level + self.vote_step * balance))
        self.tally = TurnTally()

    def cast_vote(self, vote: int) -> None:
        """Count a vote: 1 for a higher level, -1 for a lower one, 0 for keeping it."""
        self.tally.votes_raise += vote > 0
        self.tally.votes_lower += vote < 0

    def gather(self, gatherer: int, resource: Resource) -> float:
        """Let an agent have a resource, and let the others bear the harm of it.

        Args:
            gatherer: The index of the agent.
            resource: What it gathers.

        Returns:
            The resource's value, less the punishment at the present level.
        """
        for other in range(self.num_agents):
            if other != gatherer:
                self.pending_harm[other] += resource.harm
                self.tally.harm += resource.harm
        punishment = self.level * resource.penalty
        self.tally.punishment += punishment
        self.tally.gathered[resource.kind.lower()] += 1
        return resource.value - punishment

    def suffer(self, sufferer: int) -> float:
        """Return what others have done to an agent since it last acted, and clear it."""
        harm, self.pending_harm[sufferer] = self.pending_harm[sufferer], 0.0
        return harm

    def build(self) -> None:
        """Put up the walls and the floor of an empty world and lay out the resources."""
        for row, column in np.ndindex(self.height, self.width):
            if row in (0, self.height - 1) or column in (0, self.width - 1):
                self.add((row, column, _OBJECTS), Wall())
            else:
                self.add((row, column, _FLOOR), Sand())
        for name, count in self.counts.items():
            for _ in range(count):
                self.spawn(name)

    def spawn(self, name: str) -> None:
        """Lay a resource of a kind on a random empty cell."""
        self.add(self.random_empty_cell(), RESOURCES[name](**self.parameters[name]))

    def random_empty_cell(self) -> tuple[int, int, int]:
        """Return an empty cell inside the walls, each with the same probability."""
        empty = [
            (row, column, _OBJECTS)
            for row in range(1, self.height - 1)
            for column in range(1, self.width - 1)
            if self.map[row, column, _OBJECTS].kind == "EmptyEntity"
        ]
        return empty[random_index(len(empty))]


def _read_resources(section: DictConfig) -> tuple[dict[str, int], dict[str, dict[str, float]]]:
    """Return the number of each kind of resource, and the parameters of each kind."""
    counts, parameters = {}, {}
    for key, values in section.items():
        name = str(key)
        if name not in RESOURCES:
            raise ConfigError(unknown_name("world.resources has no kind", name, RESOURCES))
        counts[name] = int(values["count"])
        parameters[name] = {key: float(values[key]) for key in ("value", "harm", "penalty")}
    return counts, parameters
