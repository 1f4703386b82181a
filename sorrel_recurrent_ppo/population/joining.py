"""Populations over several environments: joining, separating, and finding them.

Environments that are built from one config before any of them has taken a turn form one population.
If one of them is then run by its own ``run_experiment``, they are separate experiments after all:
each gets the names and seeds that it has alone.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from omegaconf import OmegaConf
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.admission import (
    build_chosen,
    check_parameter_lists,
    choose_models,
    config_of,
    member_facts,
    own_seed,
)
from sorrel_recurrent_ppo.population.agent_models import refuse_shared_models
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import (
    Population,
    live_populations,
    population_of,
    set_population,
)
from sorrel_recurrent_ppo.population.model_choice import AgentFacts, check_lists, read_requests
from sorrel_recurrent_ppo.population.seeds import agent_seed
from sorrel_recurrent_ppo.registry import available_models, is_ppo_model

__all__ = [
    "check_complete",
    "environments_of",
    "find_population",
    "leave_out_unused",
    "merge",
    "population_to_join",
    "separate",
]

_log = logging.getLogger(__name__)


def population_to_join(env: Environment) -> Population | None:
    """Return the population that an environment just built belongs to, if there is one.

    That is one whose environments are of the same class and config, and have not acted yet.
    """
    if not any(_could_join(env, population) for population in live_populations()):
        return None
    gc.collect()  # environments are in reference cycles: those that are no longer used must go
    found = [p for p in live_populations() if _could_join(env, p)]
    return found[-1] if found else None


def _could_join(env: Environment, population: Population) -> bool:
    # A coordinator resets environments with a constructor of their own one after the other.
    runs_alone = population.running and not population.is_lockstep
    if population.has_acted or population.replacements or runs_alone or population.epoch > 0:
        return False
    if not population.environments:
        return False
    first = population.environments[0]
    return (
        type(first) is type(env)
        and not any(member.n_epochs or member.n_steps for member in population.members)
        and population.config_when_built == plain_config(env)
    )


def plain_config(env: Environment) -> Any:
    """Return an environment's config as plain containers, to compare; interpolations stay."""
    config = config_of(env)
    return None if config is None else OmegaConf.to_container(config)


def find_population(env: object) -> Population | None:
    """Return the population of an environment, or of the object that runs several in lockstep.

    A coordinator is recognised by the environments among its attributes, or in lists, tuples and
    dictionaries there.
    """
    own = population_of(env)
    if own is not None:
        return own
    found = {id(p): p for e in environments_of(env) if (p := population_of(e)) is not None}
    # Environments for other purposes, such as probes, may have populations that nothing runs.
    candidates = [p for p in found.values() if p.has_acted] or [*found.values()]
    return candidates[0] if len(candidates) == 1 else None


def environments_of(coordinator: object) -> Iterable[Environment]:
    """Yield the environments among an object's attributes, and in its lists and dictionaries."""
    for value in vars(coordinator).values():
        if isinstance(value, dict):
            value = list(value.values())
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, Environment) and item is not coordinator:
                yield item


def merge(environments: Sequence[Environment]) -> Population:
    """Make one population of the members of several environments' populations, in their order.

    Models that have not been used yet get the seeds of their indices in the whole.

    Raises:
        ConfigError: An environment has no population.
    """
    for env in environments:
        if population_of(env) is None:
            raise ConfigError(
                f"{type(env).__name__} has no population: call sorrel_recurrent_ppo.install() "
                "before it is built, and name a model or a replacement in its config"
            )
    former = list({id(p): p for env in environments if (p := population_of(env))}.values())
    population = former[0]
    if len(former) == 1 and [id(e) for e in population.environments] == [*map(id, environments)]:
        return population
    left_out = [
        e for p in former for e in p.environments if not any(e is env for env in environments)
    ]
    rosters = {id(e): p.roster(e) for p in former for e in p.environments}
    merged = _new_like(population)
    merged.epoch = population.epoch
    for env in environments:
        _move_environment(env, rosters[id(env)], merged)
    for env in left_out:
        _move_environment(env, rosters[id(env)], _new_like(population))
    members = merged.members
    refuse_shared_models([m.agent for m in members], [m.agent.model for m in members])
    return merged


def separate(population: Population) -> None:
    """Give each environment of a joined population one of its own, as if it were alone.

    Nothing happens to a population that was joined explicitly or whose environments have acted.
    """
    if len(population.environments) < 2 or population.is_explicit or population.has_acted:
        return
    for env in [*population.environments]:
        _move_environment(env, population.roster(env), _new_like(population))


def leave_out_unused(population: Population) -> None:
    """Remove the environments that have not been reset when the first turn begins.

    They were built from the same config for another purpose, such as probes, and get populations
    of their own.
    """
    unused = [] if population.is_explicit else population.unused_environments
    if not unused:
        return
    _log.info(
        "%d of the %d environments built from one config have not been reset before the first "
        "turn: their agents are not in the population of the others",
        *(len(unused), len(population.environments)),
    )
    used = [e for e in population.environments if not any(e is other for other in unused)]
    rosters = {id(e): population.roster(e) for e in population.environments}
    population.clear()
    for env in used:
        _move_environment(env, rosters[id(env)], population)
        population.note_reset(env)
    for env in unused:
        _move_environment(env, rosters[id(env)], _new_like(population))


def _move_environment(env: Environment, roster: Sequence[Member], population: Population) -> None:
    population.add_environment(env)
    facts = member_facts([*population.members, *roster])
    for member in roster:
        _move(member, population, config_of(env), facts)
    population.set_roster(env, env.agents)
    set_population(env, population)


def _new_like(population: Population) -> Population:
    new = Population()
    new.config_when_built = population.config_when_built
    new.schedule = population.schedule
    new.epoch_start_callbacks += population.epoch_start_callbacks
    new.first_step_callbacks += population.first_step_callbacks
    new.epoch_end_callbacks += population.epoch_end_callbacks
    new.replacement_listeners += population.replacement_listeners
    return new


def _move(member: Member, population: Population, config: Any, facts: Sequence[AgentFacts]) -> None:
    """Admit a member's agent to another population, with the seed of its index there.

    Args:
        member: The member of the former population.
        population: The other population.
        config: The config of the member's environment.
        facts: Those of the other population's agents, with the ones that are being moved.
    """
    index = len(population.members)
    seed = member.seed
    if index != member.index and seed is not None and _is_unused(member):
        seed = _reseed(member, index, config, facts)
    moved = population.admit(
        member.agent,
        model_name=member.model_name,
        seed=seed,
        kind=member.kind,
        own_model=member.own_model,
    )
    moved.n_epochs, moved.rewards = member.n_epochs, member.rewards
    moved.joined_epoch = member.joined_epoch
    moved.epoch_reward, moved.n_steps = member.epoch_reward, member.n_steps


def _is_unused(member: Member) -> bool:
    """Return whether a member's model is as it was built, so that another seed changes nothing."""
    model = member.agent.model
    return is_ppo_model(model) and not model.num_timesteps and not model.n_updates


def _reseed(member: Member, index: int, config: Any, facts: Sequence[AgentFacts]) -> int | None:
    """Make a member's unused model what it would be at another index; return its seed."""
    choices = choose_models(config, read_requests(config, available_models()), facts)
    choice = choices[index]
    if choice is None or choice.name != member.model_name:
        return member.seed
    seed = agent_seed(config, choice.name, own_seed(config, choice), index)
    model = member.agent.model
    former = build_chosen(config, member.index, member.agent, choice, seed=member.seed or 0)
    if not is_ppo_model(former) or not _same_weights(former, model):
        return member.seed  # it has been loaded or changed
    built = build_chosen(config, index, member.agent, choice, seed=seed)
    if is_ppo_model(built):
        model.load_training_state(built.training_state())
        model.seed = seed
    return seed


def _same_weights(one: Any, other: Any) -> bool:
    mine, theirs = one.policy.state_dict(), other.policy.state_dict()
    return mine.keys() == theirs.keys() and all(mine[k].equal(theirs[k]) for k in mine)


def check_complete(population: Population) -> None:
    """Raise ConfigError where a list of models has another length than the population.

    Called before the first turn: until then further environments may join.
    """
    if population.is_checked or not population.environments:
        return
    population.is_checked = True
    config = config_of(population.environments[0])
    if config is not None and population.members:
        facts = member_facts(population.members)
        requests = read_requests(config, available_models())
        check_lists(config, requests, facts, complete=True)
        check_parameter_lists(config, choose_models(config, requests, facts))
