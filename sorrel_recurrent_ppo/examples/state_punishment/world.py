"""The field of state_punishment, its resources and the shared punishment level."""

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
from sorrel_recurrent_ppo.support.checks import check_integer, check_number

__all__ = ["StatePunishmentWorld", "TurnTally"]

_FLOOR, _OBJECTS = 0, 1


@dataclass
class TurnTally:
    """Totals of one turn over all agents.

    Attributes:
        votes_raise: Number of votes for a higher level.
        votes_lower: Number of votes for a lower level.
        harm: Harm done by gathering, summed over the harmed agents.
        punishment: Sum of the fines for harmful gathering.
        gathered: Number of resources gathered, by name.
    """

    votes_raise: int = 0
    votes_lower: int = 0
    harm: float = 0.0
    punishment: float = 0.0
    gathered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0))


class StatePunishmentWorld(Gridworld):
    """A walled field with a constant number of resources of each kind.

    Attributes:
        level: The current punishment level, from 0 to 1.
        pending_harm: For each agent, the harm done to it by others since its last action.
        tally: Totals of the current turn.
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
        check_integer("agent.num_agents", self.num_agents, 2)  # harm requires two agents
        for name in ("initial_level", "vote_step"):
            check_number(f"world.{name}", getattr(self, name), low=0, high=1)
        n_resources = sum(self.counts.values())
        n_cells = (self.height - 2) * (self.width - 2)
        if self.num_agents + n_resources >= n_cells:
            raise ConfigError(
                f"{self.num_agents} agents and {n_resources} resources do not fit on a field of "
                f"{self.height}x{self.width}, which has {n_cells} cells inside its walls"
            )

    def begin_epoch(self) -> None:
        """Reset the level, the votes and the harm."""
        self.level = self.initial_level
        self.pending_harm = [0.0] * self.num_agents
        self.tally = TurnTally()

    def begin_turn(self) -> None:
        """Change the level according to the last turn's votes, and start a new tally.

        A unanimous vote changes the level by ``vote_step``, a divided vote by less.
        """
        balance = (self.tally.votes_raise - self.tally.votes_lower) / self.num_agents
        self.level = min(1.0, max(0.0, self.level + self.vote_step * balance))
        self.tally = TurnTally()

    def cast_vote(self, vote: int) -> None:
        """Count a vote: 1 to raise the level, -1 to lower it, 0 to keep it."""
        self.tally.votes_raise += vote > 0
        self.tally.votes_lower += vote < 0

    def gather(self, gatherer: int, resource: Resource) -> float:
        """Credit a resource to an agent and its harm to all other agents.

        Args:
            gatherer: Index of the gathering agent.
            resource: The resource.

        Returns:
            The resource's value minus the punishment at the current level.
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
        """Return the harm done to an agent since its last action, and reset it."""
        harm, self.pending_harm[sufferer] = self.pending_harm[sufferer], 0.0
        return harm

    def build(self) -> None:
        """Add the walls, the floor and the resources to an empty world."""
        for row, column in np.ndindex(self.height, self.width):
            if row in (0, self.height - 1) or column in (0, self.width - 1):
                self.add((row, column, _OBJECTS), Wall())
            else:
                self.add((row, column, _FLOOR), Sand())
        for name, count in self.counts.items():
            for _ in range(count):
                self.spawn(name)

    def spawn(self, name: str) -> None:
        """Place a resource of a kind on a random empty cell."""
        self.add(self.random_empty_cell(), RESOURCES[name](**self.parameters[name]))

    def random_empty_cell(self) -> tuple[int, int, int]:
        """Return a uniformly random empty cell inside the walls."""
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
