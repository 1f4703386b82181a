"""Replacing an agent: its model and its name change, its body stays.

The body is the agent object at an index of ``env.agents``, with its specs, location and sprite.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from sorrel.agents import Agent
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.admission import config_of
from sorrel_recurrent_ppo.population.joining import find_population
from sorrel_recurrent_ppo.population.lifecycle import track_population
from sorrel_recurrent_ppo.population.members import Population, member_of
from sorrel_recurrent_ppo.population.records import Replacement, save_in_hydra_directory
from sorrel_recurrent_ppo.population.seeds import run_seed
from sorrel_recurrent_ppo.registry import find_name
from sorrel_recurrent_ppo.replacement.newcomers import Newcomer, ReplacedAgent, build_newcomer
from sorrel_recurrent_ppo.support.log_once import announce
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
        env: The environment, whether or not its config mentions this package; or the object that
            runs several environments in lockstep.
        index: The agent's index in ``env.agents``; over all environments for a coordinator.
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
    if model is not None and not isinstance(model, str):
        raise ConfigError(f"model must be a registry name or None, not {model!r}")
    population = find_population(env)
    agents = _agents(env, population)
    if not 0 <= index < len(agents):
        raise ConfigError(
            f"there is no agent {index}: {type(env).__name__} has {len(agents)}, from 0 to "
            f"{len(agents) - 1}"
        )
    agent = agents[index]
    member = member_of(agent)
    config = _config(env, population)
    if population is None or not population.owns(member):
        names = [_model_name(agent) for agent in agents]
        n_named = len(names)
        replaced = ReplacedAgent(agent, int(index), config, names[index])
    else:
        assert member is not None
        n_named, kind_index = population.n_named, population.kind_index(member)
        replaced = ReplacedAgent(
            agent, member.index, config, member.model_name, member.kind, kind_index
        )
    newcomer = build_newcomer(
        replaced,
        model_name=model,
        parameters=parameters or {},
        checkpoint=None if checkpoint is None else str(checkpoint),
        seed=derive_seed(run_seed(config), replaced.index, n_named),
    )
    population = population or _new_population(env)
    return admit_newcomers(population, [newcomer], by="replace_agent")[0]


def _agents(env: Any, population: Population | None) -> list[Agent]:
    """Return an environment's agents, or those of the environments that a coordinator runs."""
    if population is None or any(env is other for other in population.environments):
        return list(env.agents)
    return [member.agent for member in population.members]


def _config(env: Any, population: Population | None) -> DictConfig:
    config = config_of(env)
    if config is None and population is not None and population.environments:
        config = config_of(population.environments[0])
    return OmegaConf.create({}) if config is None else config


def _model_name(agent: Agent) -> str:
    """Return the registry name of an agent's model, or its class name."""
    return find_name(type(agent.model)) or type(agent.model).__name__


def _new_population(env: Environment) -> Population:
    """Return a population of an environment's agents with the models that they have."""
    population = Population()
    population.replacement_listeners.append(save_in_hydra_directory)
    for agent in env.agents:
        population.admit(agent, model_name=_model_name(agent), seed=None)
    track_population(env, population)
    return population


def admit_newcomers(
    population: Population, newcomers: Sequence[Newcomer], *, by: str
) -> list[Replacement]:
    """Put newcomers in for the agents at their indices, record it, and notify the listeners."""
    records: list[Replacement] = []
    for newcomer in newcomers:
        former = population.members[newcomer.index]
        joined = population.replace_model(
            newcomer.index, newcomer.model, model_name=newcomer.model_name, seed=newcomer.seed
        )
        record = Replacement.of(former, joined, by=by, checkpoint=newcomer.checkpoint)
        announce(_log, str(record))
        records.append(record)
    if records:
        population.record_replacements(records)
    return records
