"""Giving an environment's agents the models that its config names for them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig
from sorrel.agents import Agent
from sorrel.environment import Environment
from sorrel.models import BaseModel
from sorrel.models.pytorch.pytorch_base import PyTorchModel

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.members import (
    Population,
    agent_label,
    attach_model,
    refuse_shared_models,
)
from sorrel_recurrent_ppo.population.model_choice import (
    AgentFacts,
    Choice,
    ModelRequest,
    assign_models,
    misplaced_keys,
    model_section,
)
from sorrel_recurrent_ppo.population.seeds import agent_seed
from sorrel_recurrent_ppo.registry import build_model, find_name, model_parameters

__all__ = ["assign_and_admit", "choose_models"]

_log = logging.getLogger(__name__)


def choose_models(
    config: DictConfig, requests: Sequence[ModelRequest], agents: Sequence[Agent]
) -> list[Choice | None]:
    """Return the model that a config names for each agent, ``None`` where it names none.

    Raises:
        ConfigError: As `assign_models`.
    """
    facts = [
        AgentFacts(type(agent).__name__, str(agent.kind), find_name(type(agent.model)))
        for agent in agents
    ]
    return assign_models(config, requests, facts)


def assign_and_admit(
    env: Environment,
    population: Population,
    agents: Sequence[Agent],
    choices: Sequence[Choice | None],
) -> None:
    """Build the chosen models, attach them, and admit every agent to the population.

    Args:
        env: The environment, whose config has the models' parameters.
        population: The environment's population, without members.
        agents: The environment's agents.
        choices: One choice per agent, by `choose_models`.

    Raises:
        ConfigError: A parameter does not fit, or two agents share one recurrent model.
    """
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
    parameters = model_section(config, choice.name)
    seed = agent_seed(config, choice.name, parameters.pop("seed", None), index)
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
            f"model.{choice.name}: {error}"
        ) from error
    return model, seed


def _sizes(agent: Agent) -> dict[str, Any]:
    """Return the sizes where the environment's own model differs from the agent's specs."""
    model, sizes = agent.model, {}
    if isinstance(model, PyTorchModel):
        if np.prod(model.input_size) != np.prod(agent.observation_spec.input_size):
            sizes["input_size"] = model.input_size
        if model.action_space != agent.action_spec.n_actions:
            sizes["action_space"] = model.action_space
    return sizes


def _log_changes(changes: Sequence[str]) -> None:
    """Log the agents' models, a line for each group of consecutive agents that are alike."""
    first = 0
    for change, group in itertools.groupby(changes):
        last = first + len(list(group)) - 1
        agents = f"agent {first}" if first == last else f"agents {first}-{last}"
        _log.info("%s: %s", agents, change)
        first = last + 1


def _warn_of_misplaced_keys(config: DictConfig, name: str) -> None:
    for key in misplaced_keys(config, model_parameters(name) or ()):
        _log.warning(
            "model.%s is left to the environment; if it was meant for %s, it must be model.%s.%s",
            *(key, name, name, key),
        )
