"""Who is in an environment: its agents by lasting names, their models and their rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sorrel.agents import Agent
from sorrel.buffers import Buffer
from sorrel.environment import Environment
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.support.instance_overrides import override

__all__ = ["Member", "Population", "population_of"]

_ATTRIBUTE = "_recurrent_ppo_population"


@dataclass
class Member:
    """One agent of a population; a newcomer in its place is another member.

    Attributes:
        index: Its place in ``env.agents``.
        name: Its lasting name: "0" to "n-1" for the first members, newcomers go on counting.
        model_name: Its model's registry name, or the class name of a model that has none.
        joined_epoch: The epoch that was running when it joined; -1 before the first.
        seed: The seed that its model was built with, if known.
        epoch_reward: Its reward so far in this epoch.
        rewards: Its reward in each epoch that it completed.
    """

    index: int
    name: str
    model_name: str
    joined_epoch: int
    seed: int | None
    epoch_reward: float = 0.0
    rewards: list[float] = field(default_factory=list)


class Population:
    """The members of an environment that honours its config's models.

    Attributes:
        members: The present members by index.
        epoch: The epoch of the running experiment; -1 before its first reset.
        running: Whether ``run_experiment`` is on its way.
        replacements: The records of what was replaced when, in order.
        replacement_listeners: Called with the population after each replacement.
        epoch_start_callbacks: Called with environment and epoch after each reset of a running
            experiment.
        epoch_end_callbacks: Called with environment and epoch when all of an epoch of a running
            experiment is done: before the next reset, and after the last epoch.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.epoch = -1
        self.running = False
        self.replacements: list[Any] = []
        self.replacement_listeners: list[Callable[[Population], None]] = []
        self.epoch_start_callbacks: list[Callable[[Environment, int], None]] = []
        self.epoch_end_callbacks: list[Callable[[Environment, int], None]] = []
        self._agents: list[Agent] = []
        self._n_named = 0

    def admit(self, agent: Agent, *, model_name: str, seed: int | None) -> None:
        """Take in an agent with the model it has, as the last member."""
        self.members.append(self._new_member(len(self.members), model_name, seed))
        self._agents.append(agent)
        self._count_rewards(agent, self.members[-1])

    def replace_model(
        self, env: Environment, index: int, model: BaseModel, *, model_name: str, seed: int | None
    ) -> None:
        """Give the agent at a place a newcomer's model; a new member takes the place.

        Args:
            env: The population's environment.
            index: The place in ``env.agents``.
            model: The newcomer's model.
            model_name: Its registry name.
            seed: The seed that it was built with.

        Raises:
            ConfigError: It is another agent's already.
        """
        agent = env.agents[index]
        models = [other.model for other in env.agents]
        models[index] = model
        refuse_shared_models(env.agents, models)
        attach_model(agent, index, model)
        self.members[index] = self._new_member(index, model_name, seed)
        self._count_rewards(agent, self.members[index])

    def record_replacements(self, records: Sequence[Any]) -> None:
        """Keep the records of replacements, and notify the listeners."""
        self.replacements.extend(records)
        for listener in self.replacement_listeners:
            listener(self)

    def rebind_agents(self, agents: Sequence[Agent]) -> None:
        """Carry the living models over to agent objects that the environment has built anew.

        Raises:
            RuntimeError: The number of agents has changed.
            ConfigError: Somebody has given one recurrent model to several of them.
        """
        if len(agents) != len(self.members):
            raise RuntimeError(
                f"the environment now has {len(agents)} agents; the config's models were given to "
                f"{len(self.members)}"
            )
        for index, (former, agent) in enumerate(zip(self._agents, agents, strict=True)):
            if agent is not former:
                attach_model(agent, index, former.model)
                self._agents[index] = agent
                self._count_rewards(agent, self.members[index])
        refuse_shared_models(agents, [agent.model for agent in agents])

    def restore(
        self, env: Environment, members: Sequence[Member], *, n_named: int, epoch: int
    ) -> None:
        """Go on with members of an earlier run, whose models the agents have already.

        Args:
            env: The population's environment.
            members: The members by index.
            n_named: How many there have been in all, which numbers the next newcomer.
            epoch: The epoch that they have just done.
        """
        self.members = list(members)
        self._n_named, self.epoch = n_named, epoch
        for agent, member in zip(env.agents, members, strict=True):
            self._count_rewards(agent, member)

    @property
    def n_named(self) -> int:
        """How many members there have been in all."""
        return self._n_named

    def start_experiment(self) -> None:
        """Note that epochs are counted from here."""
        self.epoch, self.running = -1, True

    def start_epoch(self) -> None:
        """Note a reset: it ends the epoch before it, if an experiment is running."""
        if self.running and self.epoch >= 0:
            self._complete_epoch()
        for member in self.members:
            member.epoch_reward = 0.0
        if self.running:
            self.epoch += 1

    def end_experiment(self, *, completed: bool) -> None:
        """Note the end of a run; an epoch that broke off counts for nothing."""
        if completed and self.epoch >= 0:
            self._complete_epoch()
        self.running = False

    def _complete_epoch(self) -> None:
        for member in self.members:
            member.rewards.append(member.epoch_reward)

    def _new_member(self, index: int, model_name: str, seed: int | None) -> Member:
        self._n_named += 1
        return Member(index, str(self._n_named - 1), model_name, self.epoch, seed)

    @staticmethod
    def _count_rewards(agent: Agent, member: Member) -> None:
        override(agent, "add_memory", _add_memory, member)


def _add_memory(agent: Agent, member: Member, *args: Any, **kwargs: Any) -> Any:
    """Stand for ``Agent.add_memory(state, action, reward, done)`` and count the reward."""
    result = type(agent).add_memory(agent, *args, **kwargs)
    reward = kwargs["reward"] if "reward" in kwargs else args[2]
    member.epoch_reward += float(reward)
    return result


def population_of(env: Environment) -> Population | None:
    """Return an environment's population, or ``None`` where the config names no model."""
    return vars(env).get(_ATTRIBUTE)


def set_population(env: Environment, population: Population) -> None:
    """Make a population that of an environment."""
    vars(env)[_ATTRIBUTE] = population


def agent_label(index: int, agent: Agent) -> str:
    """Return what messages call an agent, such as ``agent 0 (TreasurehuntAgent)``."""
    return f"agent {index} ({type(agent).__name__})"


def refuse_shared_models(agents: Sequence[Agent], models: Sequence[BaseModel]) -> None:
    """Refuse one recurrent model for several agents: it would take them for one.

    Its recurrent state is of one agent's past, and its rollout one agent's episode. Sorrel's own
    models, which have neither, may be shared.

    Args:
        agents: The agents of an environment.
        models: The model that each has or is to get.

    Raises:
        ConfigError: Two agents have the same model; the message names them.
    """
    owners: dict[int, int] = {}
    for index, model in enumerate(models):
        first = owners.setdefault(id(model), index)
        if first != index and is_ppo_model(model):
            raise ConfigError(
                f"{agent_label(first, agents[first])} and {agent_label(index, agents[index])} "
                f"share one {type(model).__name__}, which has one recurrent state and one "
                "rollout: give each agent a model of its own"
            )


def attach_model(agent: Agent, index: int, model: BaseModel) -> None:
    """Give an agent a model in place of the one it has.

    The keys of the old model's ``memory.extra_data`` are taken over, since the agent's
    ``add_memory`` looks for them; their contents are not.
    """
    extra_data = agent.model.memory.extra_data
    if is_ppo_model(model):
        model.agent_name = agent_label(index, agent)
        collecting = model.training
        for mode in (not collecting, collecting):  # evaluation fills a record of its own
            model.train(mode)
            _take_over_keys(extra_data, model.memory)
    else:
        _take_over_keys(extra_data, model.memory)
    agent.model = model


def _take_over_keys(extra_data: dict[str, np.ndarray], memory: Buffer) -> None:
    for key, array in extra_data.items():
        if key not in memory.extra_data:
            memory.extra_data[key] = np.zeros((memory.capacity, *array.shape[1:]), array.dtype)
