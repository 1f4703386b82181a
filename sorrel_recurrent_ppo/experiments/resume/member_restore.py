"""Rebuild the members of a saved run: which agents exist, in which environment, with which model.

The rebuilt environments have the agents that their constructors build. Since then agents may have
been replaced, inserted, removed, shuffled or moved. Here each environment gets the agents of the
saved run, at their positions and with models of the saved classes and sizes; their state is
restored afterwards.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from sorrel.agents import Agent
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.resume.plain_values import class_name, find_class
from sorrel_recurrent_ppo.population.admission import config_of
from sorrel_recurrent_ppo.population.agent_models import attach_model
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population, member_of
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.replacement.newcomers import ReplacedAgent, build_newcomer, parameters_of

__all__ = ["capture_members", "restore_members"]


def capture_members(population: Population) -> dict[str, Any]:
    """Return the members of a population and where their agents are, as plain values."""
    return {
        "members": [_capture_member(member) for member in population.members],
        "rosters": [_positions(env, population) for env in population.environments],
        "n_named": population.n_named,
    }


def _capture_member(member: Member) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if member.model_name in available_models():
        parameters = parameters_of(member.agent.model, member.model_name)
        if "device" in parameters:
            parameters["device"] = str(parameters["device"])
    agent_class = class_name(type(member.agent))
    return {**member.state_dict(), "parameters": parameters, "agent_class": agent_class}


def _positions(env: Environment, population: Population) -> list[int]:
    """Return the index of the member at each position of ``env.agents``; -1 for a stranger."""
    members = [member_of(agent) for agent in env.agents]
    return [m.index if m is not None and population.owns(m) else -1 for m in members]


def restore_members(population: Population, state: dict[str, Any]) -> None:
    """Give a rebuilt population the members of a saved run, without their state.

    Args:
        population: The population of the rebuilt environments.
        state: The run's state, with what `capture_members` returned.

    Raises:
        CheckpointError: The environments cannot have the agents of the saved run.
    """
    saved = [Member.from_state(values) for values in state["members"]]
    # States of version 0.1.0 are of one environment, whose agents are in the members' order.
    rosters = state.get("rosters", [list(range(len(saved)))])
    n_now, n_then = len(population.environments), len(rosters)
    if n_now != n_then:
        raise CheckpointError(f"the run's state has {n_then} environments, found {n_now}")
    agents = _Matching(population, state["members"]).match(rosters)
    for index, member in enumerate(saved):
        former = member_of(agents[index])
        if former is None or former.name != member.name or not population.owns(former):
            config = _config_of(population, rosters, index)
            _build_model(agents[index], member, state["members"][index]["parameters"], config)
    for env, roster in zip(population.environments, rosters, strict=True):
        strangers = [a for a in env.agents if member_of(a) is None]
        env.agents[:] = [agents[i] if i >= 0 else strangers.pop(0) for i in roster]
    population.restore(saved, agents, n_named=state["n_named"], epoch=state["epoch"])


def _config_of(
    population: Population, rosters: Sequence[Sequence[int]], index: int
) -> DictConfig | None:
    for env, roster in zip(population.environments, rosters, strict=True):
        if index in roster:
            return config_of(env)
    return None


class _Matching:
    """Finds an agent object for each saved member: the same, another of its class, or a copy."""

    def __init__(self, population: Population, saved: Sequence[dict[str, Any]]) -> None:
        self._population = population
        self._saved = saved
        self._free = {id(member.agent): member for member in population.members}
        self._found: dict[int, Agent] = {}

    def match(self, rosters: Sequence[Sequence[int]]) -> list[Agent]:
        """Return the agents by index."""
        for index, values in enumerate(self._saved):  # those that are there by their names
            same = [m for m in self._free.values() if m.name == values["name"]]
            self._take(index, same)
        for env, roster in zip(self._population.environments, rosters, strict=True):
            for index in (i for i in roster if i >= 0 and i not in self._found):
                rest = [m for m in self._free.values() if any(m.agent is a for a in env.agents)]
                rest.sort(key=lambda member: member.index != index)
                if not self._take(index, rest):
                    self._found[index] = self._copy(index, env)
        missing = [v["name"] for i, v in enumerate(self._saved) if i not in self._found]
        if missing:
            raise CheckpointError(f"the run's state has no environment for agent {missing[0]}")
        return [self._found[index] for index in range(len(self._saved))]

    def _take(self, index: int, candidates: Sequence[Member]) -> bool:
        wanted = self._saved[index].get("agent_class")
        for member in candidates:
            if wanted in (None, class_name(type(member.agent))):
                self._found[index] = member.agent
                del self._free[id(member.agent)]
                return True
        return False

    def _copy(self, index: int, env: Environment) -> Agent:
        """Return a new agent of the saved class, made from one that the environment has."""
        name = self._saved[index]["agent_class"]
        present = list(env.agents) or [m.agent for m in self._population.members]
        try:
            cls = find_class(name, Agent)
        except ValueError as error:
            raise CheckpointError(
                f"agent {self._saved[index]['name']} of the run's state cannot be rebuilt: {error}"
            ) from error
        if not present:
            raise CheckpointError(
                f"agent {self._saved[index]['name']} of the run's state cannot be rebuilt: the "
                "environment builds no agent to start from"
            )
        template = min(present, key=lambda agent: type(agent) is not cls)
        memo = {id(value): value for value in self._shared(env)}
        attributes = {k: v for k, v in vars(template).items() if k != "add_memory"}
        agent = object.__new__(cls)
        vars(agent).update(copy.deepcopy(attributes, memo))
        return agent

    def _shared(self, env: Environment) -> list[Any]:
        """Return the objects that agents refer to but do not own."""
        agents = [a for e in self._population.environments for a in e.agents]
        environments = self._population.environments
        return [*agents, *environments, *(v for e in environments for v in vars(e).values())]


def _build_model(
    agent: Agent, member: Member, parameters: dict[str, Any], config: DictConfig | None
) -> None:
    """Give an agent a model like the saved member's; one that has no name is the agent's own."""
    if member.model_name not in available_models():
        return
    empty = OmegaConf.create({}) if config is None else config
    newcomer = build_newcomer(
        ReplacedAgent(agent, member.index, empty, member.model_name, member.kind),
        model_name=member.model_name,
        parameters=parameters,
        checkpoint=None,
        seed=member.seed or 0,
    )
    attach_model(agent, member.index, newcomer.model)
