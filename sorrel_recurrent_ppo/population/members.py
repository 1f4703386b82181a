"""A population: its members in all its environments, and its epochs."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sorrel.agents import Agent
from sorrel.environment import Environment
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.population.agent_models import (
    agent_label,
    attach_model,
    refuse_shared_models,
)
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.support.instance_overrides import override

__all__ = [
    "Population",
    "is_lent",
    "live_populations",
    "member_of",
    "population_of",
    "set_population",
]

_ATTRIBUTE = "_recurrent_ppo_population"


class Population:
    """The members of one environment, or of several that run in lockstep.

    Attributes:
        members: The present members by index.
        environments: The environments whose agents they are.
        epoch: The epoch of the running experiment; -1 before its first reset.
        running: Whether an experiment is running.
        replacements: The records of what was replaced when, in order.
        replacement_listeners: Called with the population after each replacement.
        epoch_start_callbacks: Called with environment and epoch when an epoch of a running
            experiment begins, after the reset.
        first_step_callbacks: Called with the population, if a coordinator runs it, at each member's
            first step of an epoch.
        epoch_end_callbacks: Called with environment and epoch when all of an epoch of a running
            experiment is done: before the next reset, and after the last epoch.
        schedule: The replacement schedule that its config names, or ``None``.
        config_when_built: The config of its environments as plain containers, when they were built.
        is_explicit: Whether its environments were joined explicitly.
        is_checked: Whether the lists in its config have been compared with its size.
        is_filled: Whether it has been given members.
        has_acted: Whether one of its environments has taken a turn.
        is_recorded: Whether the running epoch has been recorded: a turn without a reset before it
            then begins the next one.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.environments: list[Environment] = []
        self.epoch = -1
        self.running = False
        self.replacements: list[Any] = []
        self.replacement_listeners: list[Callable[[Population], None]] = []
        self.first_step_callbacks: list[Callable[[Population], None]] = []
        self.epoch_start_callbacks: list[Callable[[Environment, int], None]] = []
        self.epoch_end_callbacks: list[Callable[[Environment, int], None]] = []
        self.schedule: Any = None
        self.config_when_built: Any = None
        self.is_explicit = False
        self.is_checked = False
        self.is_filled = False
        self.has_acted = False
        self.is_recorded = False
        self._continues = False  # the running epoch began without a reset
        self._is_paused = False
        self._ended_epoch = -1
        self._reset_this_epoch: set[int] = set()
        self._n_named = 0
        self._rosters: list[list[Member]] = []
        # Members that the environment took out and may put back, while their agents live.
        self._former: weakref.WeakValueDictionary[str, Member] = weakref.WeakValueDictionary()
        _populations.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_former": dict(self._former)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._former = weakref.WeakValueDictionary(state["_former"])
        _populations.add(self)

    # --- who is in it ---

    def admit(
        self,
        agent: Agent,
        *,
        model_name: str,
        seed: int | None,
        kind: str = "",
        own_model: str | None = None,
    ) -> Member:
        """Take in an agent with the model it has, as the last member."""
        self.is_filled = True
        member = self._new_member(len(self.members), model_name, seed, kind or str(agent.kind))
        member.own_model = own_model
        if self.epoch == 0 and not self.has_acted:
            member.joined_epoch = -1  # its environment is reset after the first one
        self.members.append(member)
        self.bind(member, agent)
        return member

    def bind(self, member: Member, agent: Agent) -> None:
        """Make an agent object the member's, with the model that it has; count its rewards."""
        member.agent, member.model = agent, agent.model
        override(agent, "add_memory", _add_memory, member)
        if is_ppo_model(agent.model):
            agent.model.agent_name = agent_label(member.index, agent)

    def replace_model(
        self, index: int, model: BaseModel, *, model_name: str, seed: int | None
    ) -> Member:
        """Give the agent of a member a newcomer's model; a new member takes its index.

        Args:
            index: The member's index.
            model: The newcomer's model.
            model_name: Its registry name.
            seed: The seed that it was built with.

        Returns:
            The new member.

        Raises:
            ConfigError: The model is another agent's already.
        """
        former = self.members[index]
        agents = [member.agent for member in self.members]
        models = [agent.model for agent in agents]
        models[index] = model
        refuse_shared_models(agents, models)
        attach_model(former.agent, index, model)
        return self.succeed(former, former.agent, model_name=model_name, seed=seed)

    def succeed(
        self,
        former: Member,
        agent: Agent,
        *,
        model_name: str,
        seed: int | None,
        kind: str | None = None,
        own_model: str | None = None,
    ) -> Member:
        """Put a new member at the index of a former one, with an agent and its model."""
        member = self._new_member(former.index, model_name, seed, kind or former.kind)
        member.own_model = former.own_model if agent is former.agent else own_model
        if agent is not former.agent:
            self._former[former.name] = former
        self.members[former.index] = member
        self.bind(member, agent)
        return member

    def remove(self, member: Member) -> None:
        """Take out a member whose agent has left; the indices of later members close the gap."""
        self.members.remove(member)
        self._former[member.name] = member
        for index, other in enumerate(self.members):
            other.index = index
            if is_ppo_model(other.model):
                other.model.agent_name = agent_label(index, other.agent)

    def readmit(self, agent: Agent) -> Member | None:
        """Take back a former member with its name, if the agent was one; as the last member."""
        member = member_of(agent)
        if member is None or self._former.get(member.name) is not member:
            return None
        del self._former[member.name]
        member.index = len(self.members)
        self.members.append(member)
        self.bind(member, agent)
        return member

    def owns(self, member: Member | None) -> bool:
        """Return whether a member is a present one of this population."""
        return member is not None and any(member is other for other in self.members)

    def restore(
        self, members: Sequence[Member], agents: Sequence[Agent], *, n_named: int, epoch: int
    ) -> None:
        """Resume with members of an earlier run.

        Args:
            members: The members by index, without agents.
            agents: Their agents, which have their models and are in their environments.
            n_named: How many there have been in all, which numbers the next newcomer.
            epoch: The epoch that they have completed.
        """
        self.members = list(members)
        self.is_filled = True
        self._n_named, self.epoch, self._ended_epoch = n_named, epoch, epoch
        self.is_recorded = self._continues = False
        self._reset_this_epoch.clear()
        for agent, member in zip(agents, members, strict=True):
            member.kind = member.kind or str(agent.kind)
            self.bind(member, agent)
        for env in self.environments:
            self.set_roster(env, env.agents)

    @property
    def n_named(self) -> int:
        """How many members there have been in all."""
        return self._n_named

    def record_replacements(self, records: Sequence[Any]) -> None:
        """Keep the records of replacements, and notify the listeners."""
        self.replacements.extend(records)
        for listener in self.replacement_listeners:
            listener(self)

    def add_environment(self, env: Environment) -> None:
        """Take in an environment; `set_roster` says which members are in it."""
        self.environments.append(env)
        self._rosters.append([])

    def roster(self, env: Environment) -> list[Member]:
        """Return the members that an environment had when it was last seen, in its order."""
        return self._rosters[self._position(env)]

    def set_roster(self, env: Environment, agents: Sequence[Agent]) -> None:
        """Note the members among the agents that an environment has now."""
        members = [member_of(agent) for agent in agents]
        self._rosters[self._position(env)] = [m for m in members if m is not None and self.owns(m)]

    def kind_index(self, member: Member) -> int:
        """Return a member's position among the members of its kind."""
        return sum(other.kind == member.kind for other in self.members[: member.index])

    def environment_of(self, member: Member) -> Environment | None:
        """Return the environment that a member was last seen in."""
        for env, roster in zip(self.environments, self._rosters, strict=True):
            if any(member is other for other in roster):
                return env
        return None

    def _position(self, env: Environment) -> int:
        return next(i for i, other in enumerate(self.environments) if other is env)

    # --- epochs ---

    @property
    def is_lockstep(self) -> bool:
        """Whether its environments are run by a coordinator rather than by their own runners."""
        return self.is_explicit or len(self.environments) > 1

    @property
    def counts_by_reset(self) -> bool:
        """Whether a reset may begin an epoch."""
        return (self.running or self.is_lockstep) and not self._is_paused

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no resets as epochs within the block."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def start_experiment(self) -> None:
        """Count epochs from here."""
        self.epoch, self._ended_epoch, self.running = -1, -1, True
        self.is_recorded = self._continues = False
        self._reset_this_epoch.clear()

    def end_epoch(self, env: Any) -> None:
        """Notify of the end of the current epoch, once.

        Args:
            env: The object that runs it.
        """
        if self.epoch > self._ended_epoch:
            self._ended_epoch = self.epoch
            for callback in self.epoch_end_callbacks:
                callback(env, self.epoch)

    def begins_epoch(self, env: Environment) -> bool:
        """Return whether a reset of an environment begins an epoch.

        In lockstep the first reset of any environment does, and after that the reset of one that
        has acted since it was last reset.
        """
        if not self.counts_by_reset:
            return False
        if not self.is_lockstep or self.epoch < 0 or not self._reset_this_epoch:
            return True
        position = self._position(env)
        acted = any(member.n_steps for member in self._rosters[position])
        return position in self._reset_this_epoch and acted

    def begins_epoch_after_steps(self) -> bool:
        """Return whether a reset of the coordinator ends an epoch: an agent has taken a step."""
        return self.epoch >= 0 and any(member.n_steps for member in self.members)

    @property
    def unused_environments(self) -> list[Environment]:
        """The environments that have not been reset, where others have."""
        if not self._reset_this_epoch:
            return []
        return [e for k, e in enumerate(self.environments) if k not in self._reset_this_epoch]

    def clear(self) -> None:
        """Forget the members and environments, to admit them in another order."""
        self.members, self.environments, self._rosters = [], [], []
        self._reset_this_epoch = set()
        self._n_named = 0

    def note_reset(self, env: Environment) -> None:
        """Note that an environment has been reset in this epoch."""
        self._reset_this_epoch.add(self._position(env))

    def start_epoch(self, env: Environment) -> bool:
        """Note a reset, which ends the epoch before it if it begins one.

        Returns:
            Whether it began an epoch.
        """
        begins = self.begins_epoch(env)
        if begins and self._continues and not self.is_recorded:
            # Turns between a recorded epoch and this reset were no epoch of their own.
            begins = self._continues = False
        if begins:
            if self.epoch >= 0:  # environments reset before the first epoch take part in it
                self._reset_this_epoch = set()
            self._count_epoch(continues=False)
        elif not self.is_lockstep:
            self._clear_rewards()
        self.note_reset(env)
        return begins

    @property
    def continues_without_reset(self) -> bool:
        """Whether a turn now begins an epoch: the one before has been recorded."""
        return self.is_recorded and self.counts_by_reset and self.epoch >= 0

    def start_epoch_without_reset(self) -> None:
        """Begin an epoch in environments that have not been reset since the one before."""
        self._count_epoch(continues=True)

    def _count_epoch(self, *, continues: bool) -> None:
        if self.epoch >= 0:
            self._complete_epoch()
        self.epoch += 1
        self.running = True
        self.is_recorded, self._continues = False, continues
        self._clear_rewards()

    def _clear_rewards(self) -> None:
        for member in self.members:
            member.epoch_reward, member.n_steps = 0.0, 0

    def end_experiment(self, *, completed: bool) -> None:
        """Note the end of a run; an epoch that broke off is not counted."""
        if completed and self.epoch >= 0:
            self._complete_epoch()
        self.running = False

    def _complete_epoch(self) -> None:
        n_kept = getattr(self.schedule, "reward_window", 0)
        for member in self.members:
            member.complete_epoch(n_kept)

    def _new_member(self, index: int, model_name: str, seed: int | None, kind: str) -> Member:
        self._n_named += 1
        return Member(index, str(self._n_named - 1), model_name, self.epoch, seed, kind)


_populations: weakref.WeakSet[Population] = weakref.WeakSet()


def live_populations() -> list[Population]:
    """Return the populations in use, and maybe unused ones that await garbage collection."""
    return list(_populations)


def _add_memory(agent: Agent, member: Member, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Agent.add_memory(state, action, reward, done)`` that counts the reward."""
    result = type(agent).add_memory(agent, *args, **kwargs)
    reward = kwargs["reward"] if "reward" in kwargs else args[2]
    if not member.n_steps:
        _notify_of_first_step(member)
    member.epoch_reward += float(reward.detach() if hasattr(reward, "detach") else reward)
    member.n_steps += 1
    return result


def _notify_of_first_step(member: Member) -> None:
    for population in live_populations():
        if population.is_lockstep and population.owns(member):
            for callback in population.first_step_callbacks:
                callback(population)


def member_of(agent: Agent) -> Member | None:
    """Return the member that an agent object is or was, or ``None`` for a stranger."""
    counting = vars(agent).get("add_memory")
    if isinstance(counting, functools.partial) and counting.func is _add_memory:
        return counting.args[1]
    return None


def is_lent(agent: Agent, population: Population | None = None) -> bool:
    """Return whether an agent, or its recurrent model, is a present member's elsewhere.

    Args:
        agent: The agent, or a copy that shares its model, as probes make.
        population: The population that does not count as elsewhere.
    """
    model = agent.model
    return any(
        member.agent is agent or (member.model is model and is_ppo_model(model))
        for other in _populations
        if other is not population
        for member in other.members
    )


def population_of(env: object) -> Population | None:
    """Return an environment's population, or ``None`` where its config names no model."""
    return vars(env).get(_ATTRIBUTE)


def set_population(env: object, population: Population) -> None:
    """Make a population that of an environment or of a coordinator."""
    vars(env)[_ATTRIBUTE] = population
