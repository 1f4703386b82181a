"""Following what an environment does to its own agents: the population is brought up to date.

The environment owns its agents. Nothing it did is undone; agents that are new to the population get
a model of the kind that the config names for them, a name and a seed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from omegaconf import DictConfig
from sorrel.agents import Agent
from sorrel.environment import Environment

from sorrel_recurrent_ppo.population.admission import (
    agent_facts,
    build_chosen,
    config_of,
    member_facts,
)
from sorrel_recurrent_ppo.population.agent_changes import AgentChanges, find_changes
from sorrel_recurrent_ppo.population.agent_models import attach_model, refuse_shared_models
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population, is_lent, member_of
from sorrel_recurrent_ppo.population.model_choice import (
    Choice,
    assign_models,
    kind_of,
    read_requests,
)
from sorrel_recurrent_ppo.population.records import Replacement
from sorrel_recurrent_ppo.population.seeds import run_seed
from sorrel_recurrent_ppo.registry import available_models, find_name, is_ppo_model
from sorrel_recurrent_ppo.support.log_once import announce
from sorrel_recurrent_ppo.support.randomness import derive_seed

__all__ = ["reconcile"]

_log = logging.getLogger(__name__)


def reconcile(env: Environment, population: Population, *, in_reset: bool) -> None:
    """Bring a population up to date with an environment's agents and their models.

    Args:
        env: One of the population's environments.
        population: The population.
        in_reset: Whether the environment has just been reset: then new objects only are the same
            agents, built again, as in environments that set their agents up at each reset.

    Raises:
        ConfigError: A newcomer's model cannot be built, or two agents share a recurrent model.
    """
    roster, agents = population.roster(env), list(env.agents)
    if _is_unchanged(roster, agents):
        return
    whole = len(roster) == len(population.members)
    changes = find_changes(
        [(member.agent, member.model) for member in roster],
        [(agent, agent.model) for agent in agents],
        ignored=_agents_elsewhere(env, population, roster, agents),
        rebuilt=in_reset or whole,
    )
    _apply(env, population, roster, agents, changes)
    _follow_swapped_models(population, agents)
    population.set_roster(env, agents)
    members = population.members
    refuse_shared_models([m.agent for m in members], [m.agent.model for m in members])


def _is_unchanged(roster: Sequence[Member], agents: Sequence[Agent]) -> bool:
    """Return whether the same agents have the same models in the same order: the usual case."""
    if len(roster) != len(agents):
        return False
    for member, agent in zip(roster, agents, strict=True):
        if member.agent is not agent or member.model is not agent.model:
            return False
    return True


def _agents_elsewhere(
    env: Environment, population: Population, roster: Sequence[Member], agents: Sequence[Agent]
) -> list[Agent]:
    """Return agents that are no news here: lent by another population, or moved within this."""
    lent = [a for a in agents if is_lent(a, population) or population.owns(member_of(a))]
    others = [a for other in population.environments if other is not env for a in other.agents]
    moved = [m.agent for m in roster if any(m.agent is agent for agent in others)]
    return [*lent, *moved]


def _apply(
    env: Environment,
    population: Population,
    roster: Sequence[Member],
    agents: Sequence[Agent],
    changes: AgentChanges,
) -> None:
    for known, position in changes.rebound:
        member, agent = roster[known], agents[position]
        if agent.model is not member.model:
            attach_model(agent, member.index, member.model)
        population.bind(member, agent)
    records = [
        _replace(env, population, roster[known], agents[position])
        for known, position in changes.replaced
    ]
    for known in changes.left:
        if population.has_acted:  # a probe may exchange agents that were never used
            _log.info("epoch %d: agent %s has left", population.epoch, roster[known].name)
        population.remove(roster[known])
    for position in changes.joined:
        _join(env, population, agents[position])
    if records:
        population.record_replacements(records)


def _replace(env: Environment, population: Population, former: Member, agent: Agent) -> Replacement:
    """Put the agent with which the environment has replaced a member at the member's index."""
    choice, kind = _choice(env, population, agent, former.index)
    own_model = find_name(type(agent.model))
    model_name, seed = _equip(env, population, agent, former.index, choice)
    member = population.succeed(
        former, agent, model_name=model_name, seed=seed, kind=kind, own_model=own_model
    )
    record = Replacement.of(former, member, by="environment")
    announce(_log, str(record))
    return record


def _join(env: Environment, population: Population, agent: Agent) -> None:
    """Take in an agent that the environment has inserted, or put back."""
    member = population.readmit(agent)
    if member is None:
        index = len(population.members)
        choice, kind = _choice(env, population, agent, index)
        own_model = find_name(type(agent.model))
        model_name, seed = _equip(env, population, agent, index, choice)
        member = population.admit(
            agent, model_name=model_name, seed=seed, kind=kind, own_model=own_model
        )
    _log.info(
        "epoch %d: agent %s (%s) has joined", population.epoch, member.name, member.model_name
    )


def _choice(
    env: Environment, population: Population, agent: Agent, index: int
) -> tuple[Choice | None, str]:
    """Return the model that the config names for an agent at an index, and the agent's kind."""
    config = config_of(env)
    facts = member_facts(population.members)
    facts[index : index + 1] = agent_facts([agent])
    assert isinstance(config, DictConfig)
    requests = read_requests(config, available_models())
    choices = assign_models(config, requests, facts) if requests else [None] * len(facts)
    return choices[index], kind_of(config, facts, index)


def _equip(
    env: Environment, population: Population, agent: Agent, index: int, choice: Choice | None
) -> tuple[str, int | None]:
    """Give a newcomer the chosen model, unless it has one of that name or a recurrent PPO already.

    Returns:
        The model's name, and its seed if it was built here.
    """
    own_name = find_name(type(agent.model)) or type(agent.model).__name__
    if choice is None or choice.name == own_name or is_ppo_model(agent.model):
        return own_name, None
    config = config_of(env)
    assert config is not None
    seed = derive_seed(run_seed(config), index, population.n_named)
    model = build_chosen(config, index, agent, choice, seed=seed, is_newcomer=True)
    attach_model(agent, index, model)
    return choice.name, seed


def _follow_swapped_models(population: Population, agents: Sequence[Agent]) -> None:
    """Follow models that the environment's code has put into agents that stay."""
    records = []
    for agent in agents:
        member = member_of(agent)
        if member is None or not population.owns(member) or member.model is agent.model:
            continue
        name = find_name(type(agent.model)) or type(agent.model).__name__
        if member.n_epochs or member.n_steps:
            joined = population.succeed(member, agent, model_name=name, seed=None)
            records.append(Replacement.of(member, joined, by="environment"))
            announce(_log, str(records[-1]))
        else:
            member.model_name, member.seed = name, None
            population.bind(member, agent)
    if records:
        population.record_replacements(records)
