"""Installing the package into Sorrel: environments honour the models in their configs.

`install` wraps four methods of Sorrel's ``Environment``. When the constructor has built an
environment's agents and its config names models of the registry or a replacement schedule, the
environment gets a population, which tracks it from then on. ``reset``, ``take_turn`` and
``run_experiment`` do the same for an environment that never called ``Environment.__init__``. An
environment whose config names neither stays as it is.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError
from sorrel.agents import Agent
from sorrel.environment import Environment

from sorrel_recurrent_ppo.acceleration.switch import accelerate
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.integration.sorrel_version import check_sorrel
from sorrel_recurrent_ppo.population.admission import (
    admit_agents,
    agent_facts,
    choose_models,
    config_of,
)
from sorrel_recurrent_ppo.population.agent_models import refuse_shared_models
from sorrel_recurrent_ppo.population.joining import (
    environments_of,
    find_population,
    merge,
    plain_config,
    population_to_join,
    separate,
)
from sorrel_recurrent_ppo.population.lifecycle import (
    follow_reset,
    follow_turn,
    run_tracked,
    track_coordinator,
    track_population,
)
from sorrel_recurrent_ppo.population.members import Population, is_lent, member_of, population_of
from sorrel_recurrent_ppo.population.model_choice import ModelRequest, read_requests
from sorrel_recurrent_ppo.population.near_misses import warn_of_near_misses
from sorrel_recurrent_ppo.population.records import save_in_hydra_directory
from sorrel_recurrent_ppo.population.research_names import warn_of_research_keys
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.replacement.apply_schedule import schedule_from_config
from sorrel_recurrent_ppo.support.log_once import forget_logged

__all__ = ["honour_config", "install", "join_environments", "uninstall"]

_LATE = ("reset", "take_turn", "run_experiment")


@dataclass
class _Hook:
    """Sorrel's own methods while they are wrapped, and whether the wrappers do anything."""

    originals: dict[str, Callable[..., Any]] = field(default_factory=dict)
    active: bool = False
    seen: weakref.WeakSet[Environment] = field(default_factory=weakref.WeakSet)


_hook = _Hook()


def install() -> None:
    """Make environments honour the models in their configs; idempotent.

    That is, environments built from now on; any other, such as one with a constructor of its own,
    when it is next reset or run.

    Raises:
        ConfigError: The Sorrel that is imported is older than version 1.6.
    """
    check_sorrel()
    _hook.active = True
    if not _hook.originals:
        forget_logged()
    if "__init__" not in _hook.originals:
        _wrap("__init__", _wrap_constructor)
    for name in _LATE:
        if name not in _hook.originals:
            _wrap(name, functools.partial(_wrap_late, name))


def uninstall() -> None:
    """Undo `install` for environments built from now on; idempotent.

    Environments that have a population already keep it.
    """
    _hook.active = False
    for name, original in [*_hook.originals.items()]:
        current = getattr(Environment, name)
        if getattr(current, "__wrapped__", None) is original:
            setattr(Environment, name, original)
            del _hook.originals[name]
        elif not _wraps(current, original):  # somebody else has put another method in its place
            del _hook.originals[name]
        # Otherwise another package has wrapped ours since: it stays in the chain, inactive.


def _wraps(function: Callable[..., Any], original: Callable[..., Any]) -> bool:
    """Return whether a function is a chain of wrappers around another."""
    inner = getattr(function, "__wrapped__", None)
    while inner is not None and inner is not original:
        inner = getattr(inner, "__wrapped__", None)
    return inner is original


def join_environments(coordinator: object, environments: Sequence[Environment]) -> None:
    """Make one population of several environments that are run in lockstep.

    Their agents are named 0 to n-1 over all environments, in the order given; lists of models and
    schedules in the config are for the whole, and an epoch begins when an environment that has
    acted is reset. Environments built from one config form a population by themselves; this call
    is for others, and for a single environment with a loop of its own.

    Args:
        coordinator: The object that runs them, which `replace_agent` then takes as well. An
            environment or any other object.
        environments: The environments, each with its agents, built after `install`.

    Raises:
        ConfigError: An environment has no population, or two agents share a recurrent model.
    """
    if not environments:
        raise ConfigError("join_environments needs at least one environment")
    for env in environments:
        if population_of(env) is None:  # it has a constructor of its own
            with _naming_unresolved_keys():
                honour_config(env)
    population = merge(environments)
    population.is_explicit = True
    track_coordinator(coordinator, population)


def _wrap(name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    _hook.originals[name] = getattr(Environment, name)
    setattr(Environment, name, make(_hook.originals[name]))


def _wrap_constructor(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(env: Environment, *args: Any, **kwargs: Any) -> None:
        original(env, *args, **kwargs)
        if _hook.active:
            with _naming_unresolved_keys():
                honour_config(env)

    return __init__


def _wrap_late(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that an environment with a constructor of its own calls at the latest."""

    @functools.wraps(original)
    def method(env: Environment, *args: Any, **kwargs: Any) -> Any:
        known = population_of(env)
        if known is not None and name == "take_turn":
            follow_turn(env, known)  # a subclass may have changed agents before this call
        if not _hook.active or env in _hook.seen or known is not None:
            return original(env, *args, **kwargs)
        with _naming_unresolved_keys():
            honour_config(env)
        population = population_of(env)
        if population is None:
            return original(env, *args, **kwargs)
        if name == "run_experiment":
            separate(population)
            return run_tracked(original, env, *args, **kwargs)
        result = original(env, *args, **kwargs)
        if name == "reset":
            follow_reset(env, population)
        return result

    return method


@contextmanager
def _naming_unresolved_keys() -> Iterator[None]:
    """Turn a failed interpolation into a ConfigError that names the key."""
    try:
        yield
    except InterpolationResolutionError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"the config key '{error.full_key}' cannot be resolved: {reason}"
        ) from error


def honour_config(env: Environment, *, always: bool = False) -> None:
    """Give an environment a population and its models, if its config asks for any.

    Args:
        env: The environment.
        always: Give it a population also if its config asks for none: the environment's own models
            are then its members', so that a run of them is logged, saved and resumed.
    """
    config = config_of(env)
    if config is None or population_of(env) is not None:
        _hook.seen.add(env)
        return
    if config.get("accelerate"):
        accelerate()
    if (found := _population_coordinated_by(env, always=always)) is not None:
        track_coordinator(env, found)
        return
    agents = list(getattr(env, "agents", []))
    if agents and all(is_lent(agent) for agent in agents):
        return  # a probe, which is to change nothing; it may get agents of its own later
    _hook.seen.add(env)
    warn_of_near_misses(config, available_models())
    section = OmegaConf.select(config, "replacement")
    is_schedule = section != "none" and isinstance(section, DictConfig | str)
    schedule = schedule_from_config(config) if is_schedule else None
    requests = read_requests(config, available_models())
    if not always and schedule is None and not _asks_for_models(config, requests, agents):
        refuse_shared_models(agents, [agent.model for agent in agents])
        return
    warn_of_research_keys(config)
    population = population_to_join(env) or _new_population(env, schedule)
    if agents:
        admit_agents(env, population)
    track_population(env, population)


def _asks_for_models(
    config: DictConfig, requests: Sequence[ModelRequest], agents: Sequence[Agent]
) -> bool:
    """Return whether a config names a model for one of the agents.

    Environments that build their agents at each reset get their models at the first one.
    """
    if not requests or not agents:
        return bool(requests)
    choices = choose_models(config, requests, agent_facts(agents))
    return any(choice is not None and choice.build for choice in choices)


def _population_coordinated_by(env: Environment, *, always: bool) -> Population | None:
    """Return the population of the environments that an environment runs, if it has no other."""
    if not getattr(env, "agents", []):
        for inner in environments_of(env):
            honour_config(inner, always=always)  # those with constructors of their own
    found = find_population(env)
    agents = getattr(env, "agents", [])
    if found is None or (agents and len(agents) != len(found.members)):
        return None
    return found if all(found.owns(member_of(agent)) for agent in agents) else None


def _new_population(env: Environment, schedule: Any) -> Population:
    population = Population()
    population.config_when_built = plain_config(env)
    population.replacement_listeners.append(save_in_hydra_directory)
    population.schedule = schedule
    if schedule is not None:
        population.epoch_start_callbacks.append(schedule)
    return population
