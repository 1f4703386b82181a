"""Making Sorrel's environments honour the ``model`` of their config.

`install` wraps ``Environment.__init__``, the one place where a class of Sorrel's is touched. When
an environment has built its agents and its config names models of the registry (`model_choice`
says how), the agents get these, and the *instance* gets a ``reset`` and a ``run_experiment`` of its
own, which call its class's and keep the population's books. An environment whose config names
nothing gets nothing.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError
from sorrel.agents import Agent
from sorrel.environment import Environment
from sorrel.models import BaseModel
from sorrel.models.pytorch.pytorch_base import PyTorchModel

from sorrel_recurrent_ppo.checks import check_integer
from sorrel_recurrent_ppo.epoch_values import given_logger, reporting
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.model_choice import (
    AgentFacts,
    Choice,
    Statement,
    assign_models,
    misplaced_keys,
    read_statements,
    section_of,
)
from sorrel_recurrent_ppo.population import (
    Population,
    agent_label,
    attach_model,
    population_of,
    refuse_shared_models,
    set_population,
)
from sorrel_recurrent_ppo.randomness import derive_seed, peeked_seed
from sorrel_recurrent_ppo.registry import (
    available_models,
    build_model,
    find_name,
    model_parameters,
    packaged_defaults,
)

__all__ = ["install", "manage", "uninstall"]

_log = logging.getLogger(__name__)


@dataclass
class _Hook:
    """The state of the one patch: Sorrel's own constructor, and whether ours does anything."""

    original: Callable[..., None] | None = None
    active: bool = False


_hook = _Hook()


def install() -> None:
    """Let every environment built from now on honour the models in its config; idempotent."""
    _hook.active = True
    if _hook.original is None:
        _hook.original = Environment.__init__
        Environment.__init__ = _wrapped(_hook.original)


def uninstall() -> None:
    """Undo `install` for environments built from now on; idempotent.

    Environments that have been given their models keep them.
    """
    _hook.active = False
    # Where others have wrapped the constructor after us, ours stays in their chain, inactive.
    original = _hook.original
    if original is not None and getattr(Environment.__init__, "__wrapped__", None) is original:
        Environment.__init__ = original
        _hook.original = None


def _wrapped(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(env: Environment, *args: Any, **kwargs: Any) -> None:
        original(env, *args, **kwargs)
        if _hook.active:
            with _naming_unresolved_keys():
                _honour_config(env)

    return __init__


@contextmanager
def _naming_unresolved_keys() -> Iterator[None]:
    """Let a config that refers to what it does not have be told like its other faults."""
    try:
        yield
    except InterpolationResolutionError as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(
            f"the config key '{error.full_key}' cannot be resolved: {told}"
        ) from error


def _honour_config(env: Environment) -> None:
    """Give an environment a population and its models, if its config asks for any."""
    if not isinstance(env.config, DictConfig) or population_of(env) is not None:
        return
    schedule = _replacement_schedule(env.config)
    statements = read_statements(env.config, available_models())
    agents = getattr(env, "agents", [])
    choices = _choices(env.config, statements, agents)
    # Without agents yet, what the config says is done at the first reset.
    asks_for_models = any(c and c.build for c in choices) if agents else bool(statements)
    if not asks_for_models and schedule is None:
        refuse_shared_models(agents, [agent.model for agent in agents])
        return
    population = Population()
    if schedule is not None:
        population.epoch_start_callbacks.append(schedule)
    _settle(env, population, agents, choices)
    manage(env, population)


def manage(env: Environment, population: Population) -> None:
    """Make a population that of an environment, whose instance keeps its books from now on.

    Args:
        env: The environment.
        population: With the environment's agents as members, or empty until its first reset.
    """
    set_population(env, population)
    vars(env)["reset"] = functools.partial(_reset, env)
    vars(env)["run_experiment"] = functools.partial(_run_experiment, env)
    vars(env)["generate_memories"] = functools.partial(_generate_memories, env)


def _replacement_schedule(config: DictConfig) -> Callable[[Environment, int], None] | None:
    section = OmegaConf.select(config, "replacement")
    if section == "none" or not isinstance(section, DictConfig | str):
        return None
    from sorrel_recurrent_ppo.replacement import schedule_from_config

    return schedule_from_config(config)


def _choices(
    config: DictConfig, statements: Sequence[Statement], agents: Sequence[Agent]
) -> list[Choice | None]:
    facts = [
        AgentFacts(type(agent).__name__, str(agent.kind), find_name(type(agent.model)))
        for agent in agents
    ]
    return assign_models(config, statements, facts)


# --- the models ---


def _settle(
    env: Environment,
    population: Population,
    agents: Sequence[Agent],
    choices: Sequence[Choice | None],
) -> None:
    """Take the agents into the population, each with its model."""
    changes: list[str] = []
    for index, (agent, choice) in enumerate(zip(agents, choices, strict=True)):
        former = type(agent.model)
        if choice is not None and choice.build:
            model, seed = _build(env.config, index, agent, choice)
            attach_model(agent, index, model)
            population.admit(agent, model_name=choice.name, seed=seed)
            changes.append(f"{choice.name} (was {former.__name__})")
        else:
            name = find_name(former) or former.__name__
            population.admit(agent, model_name=name, seed=None)
            changes.append(f"{name} (the environment's own)")
    refuse_shared_models(agents, [agent.model for agent in agents])
    _log_changes(changes)
    for name in dict.fromkeys(choice.name for choice in choices if choice and choice.build):
        _warn_of_misplaced_keys(env.config, name)


def _build(config: DictConfig, index: int, agent: Agent, choice: Choice) -> tuple[BaseModel, int]:
    """Return the model chosen for an agent, and the seed that it was built with.

    Raises:
        ConfigError: A parameter does not fit; the message names the keys and the agent.
    """
    key = f"model.{choice.name}"
    parameters = section_of(config, choice.name, packaged_defaults(choice.name))
    seed = _seed(config, parameters.pop("seed", None), key, index)
    try:
        model = build_model(
            choice.name,
            observation_spec=agent.observation_spec,
            action_spec=agent.action_spec,
            seed=seed,
            **_sizes(agent),
            **parameters,
        )
    except ConfigError as error:
        raise ConfigError(
            f"{choice.key}={choice.name} for {agent_label(index, agent)}, with the parameters in "
            f"{key}: {error}"
        ) from error
    return model, seed


def _sizes(agent: Agent) -> dict[str, Any]:
    """Return the sizes in which the model that works in the environment outvotes the specs."""
    model, sizes = agent.model, {}
    if isinstance(model, PyTorchModel):
        if np.prod(model.input_size) != np.prod(agent.observation_spec.input_size):
            sizes["input_size"] = model.input_size
        if model.action_space != agent.action_spec.n_actions:
            sizes["action_space"] = model.action_space
    return sizes


def _seed(config: DictConfig, own_seed: Any, key: str, index: int) -> int:
    """Return the seed of an agent's model: of ``model.<name>.seed``, or ``seed``, and its place.

    Without either, it comes from a look at numpy's global state, so that whoever seeds that gets
    the same models again.
    """
    if own_seed is not None:
        check_integer(f"{key}.seed", own_seed, 0)
    common = OmegaConf.select(config, "seed")
    if own_seed is not None:
        return derive_seed(own_seed, index)
    if _is_seed(common):
        return derive_seed(common, index)
    return derive_seed(peeked_seed(), index)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _log_changes(changes: Sequence[str]) -> None:
    first = 0
    for change, group in itertools.groupby(changes):
        last = first + len(list(group)) - 1
        places = f"agent {first}" if first == last else f"agents {first}-{last}"
        _log.info("%s: %s", places, change)
        first = last + 1


def _warn_of_misplaced_keys(config: DictConfig, name: str) -> None:
    for key in misplaced_keys(config, model_parameters(name) or ()):
        _log.warning(
            "model.%s is left to the environment; if it was meant for %s, it must be model.%s.%s",
            *(key, name, name, key),
        )


# --- what an instance's own methods do ---


def _reset(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Stand for the environment's ``reset``: its class's, then the population's books."""
    population = _managed(env)
    _tell_end_of_epoch(env, population)
    result = type(env).reset(env, *args, **kwargs)
    if population.members:
        population.follow(env.agents)
    else:
        statements = read_statements(env.config, available_models())
        _settle(env, population, env.agents, _choices(env.config, statements, env.agents))
    population.start_epoch()
    if population.running:
        for callback in population.epoch_start_callbacks:
            callback(env, population.epoch)
    return result


def _run_experiment(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Stand for the environment's ``run_experiment``: its class's, counted and reported."""
    population = _managed(env)
    run = type(env).run_experiment
    completed = False
    population.start_experiment()
    try:
        with reporting(env, population, given_logger(run, env, *args, **kwargs)):
            result = run(env, *args, **kwargs)
        _tell_end_of_epoch(env, population)
        completed = True
    finally:
        population.end_experiment(completed=completed)
    return result


def _tell_end_of_epoch(env: Environment, population: Population) -> None:
    if population.running and population.epoch >= 0:
        for callback in population.epoch_end_callbacks:
            callback(env, population.epoch)


def _generate_memories(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Stand for the environment's ``generate_memories``, which leaves its models in evaluation.

    A later ``run_experiment`` would then train nothing, and say nothing.
    """
    collecting = [agent.model for agent in env.agents if getattr(agent.model, "training", False)]
    try:
        return type(env).generate_memories(env, *args, **kwargs)
    finally:
        for model in collecting:
            model.train()  # pyright: ignore[reportAttributeAccessIssue] - it has ``training``


def _managed(env: Environment) -> Population:
    population = population_of(env)
    assert population is not None
    return population
