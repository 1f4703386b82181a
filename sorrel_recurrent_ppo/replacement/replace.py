"""Replacing an agent: its model and its name change, its body stays.

The body is the agent object at an index of ``env.agents``, with its specs, location and sprite.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.lifecycle import track_population
from sorrel_recurrent_ppo.population.members import Population, population_of
from sorrel_recurrent_ppo.population.seeds import run_seed
from sorrel_recurrent_ppo.registry import find_name
from sorrel_recurrent_ppo.replacement.newcomers import Newcomer, build_newcomer
from sorrel_recurrent_ppo.replacement.records import Replacement, save_in_hydra_directory
from sorrel_recurrent_ppo.support.randomness import derive_seed

__all__ = ["admit_newcomers", "replace_agent"]

_log = logging.getLogger(__name__)


def replace_agent(
    env: Environment,
    index: int,
    model: str | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
) -> Replacement:
    """Replace an agent by a newcomer, at any time.

    The newcomer has fresh weights, optimizer, rollout, recurrent state, counters and schedules; the
    body stays, and every other agent is unaffected, bit for bit. With ``checkpoint`` the newcomer
    has what was saved instead.

    Args:
        env: The environment, whether or not its config mentions this package.
        index: The agent's index in ``env.agents``.
        model: Registry name of the newcomer's model; ``None`` for the model that leaves, with its
            parameters.
        parameters: Changed parameters of the model, ``seed`` among them.
        checkpoint: A saved model to start from.

    Returns:
        The record, which the environment's population keeps as well.

    Raises:
        ConfigError: There is no such index, model or parameter, or a value does not fit. Nothing
            is changed then, nor after the other error.
        CheckpointError: The checkpoint is missing, damaged, or of another model or shape.
    """
    if isinstance(index, bool) or not isinstance(index, Integral):
        raise ConfigError(f"index must be an agent's index in env.agents, not {index!r}")
    if not 0 <= index < len(env.agents):
        raise ConfigError(
            f"there is no agent {index}: env.agents has {len(env.agents)}, from 0 to "
            f"{len(env.agents) - 1}"
        )
    if model is not None and not isinstance(model, str):
        raise ConfigError(f"model must be a registry name or None, not {model!r}")
    population = population_of(env)
    names = _model_names(env, population)
    n_earlier = len(names) + (len(population.replacements) if population else 0)
    newcomer = build_newcomer(
        env,
        int(index),
        former_name=names[index],
        model_name=model,
        parameters=parameters or {},
        checkpoint=None if checkpoint is None else str(checkpoint),
        seed=derive_seed(run_seed(env.config), int(index), n_earlier),
    )
    return admit_newcomers(env, population or _new_population(env, names), [newcomer])[0]


def _model_names(env: Environment, population: Population | None) -> list[str]:
    """Return each agent's model's registry name, or its class name."""
    if population is not None:
        return [member.model_name for member in population.members]
    models = [type(agent.model) for agent in env.agents]
    return [find_name(model) or model.__name__ for model in models]


def _new_population(env: Environment, names: Sequence[str]) -> Population:
    """Return a population of an environment's agents with the models that they have."""
    population = Population()
    population.replacement_listeners.append(save_in_hydra_directory)
    for agent, name in zip(env.agents, names, strict=True):
        population.admit(agent, model_name=name, seed=None)
    track_population(env, population)
    return population


def admit_newcomers(
    env: Environment, population: Population, newcomers: Sequence[Newcomer]
) -> list[Replacement]:
    """Put newcomers in for the agents at their indices, record it, and notify the listeners."""
    records: list[Replacement] = []
    for newcomer in newcomers:
        former = population.members[newcomer.index]
        population.replace_model(
            env,
            newcomer.index,
            newcomer.model,
            model_name=newcomer.model_name,
            seed=newcomer.seed,
        )
        record = Replacement(
            epoch=population.epoch,
            index=newcomer.index,
            left=former.name,
            joined=population.members[newcomer.index].name,
            left_model=former.model_name,
            joined_model=newcomer.model_name,
            tenure=len(former.rewards),
            seed=newcomer.seed,
            checkpoint=newcomer.checkpoint,
        )
        _log.info("%s", record)
        records.append(record)
    if records:
        population.record_replacements(records)
    return records
