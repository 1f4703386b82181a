"""Giving agents the models that their environment's config names for them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from sorrel.agents import Agent
from sorrel.environment import Environment
from sorrel.models import BaseModel
from sorrel.models.pytorch.pytorch_base import PyTorchModel

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.population.agent_models import (
    agent_label,
    attach_model,
    refuse_missing_models,
    refuse_shared_models,
)
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population, is_lent
from sorrel_recurrent_ppo.population.model_choice import (
    AgentFacts,
    Choice,
    ModelRequest,
    assign_models,
    check_lists,
    kind_of,
    misplaced_keys,
    model_section,
    model_sections,
    read_requests,
)
from sorrel_recurrent_ppo.population.seeds import agent_seed
from sorrel_recurrent_ppo.registry import (
    available_models,
    build_model,
    find_name,
    is_ppo_model,
    load_model_class,
    model_parameters,
)
from sorrel_recurrent_ppo.support.checks import check_flag
from sorrel_recurrent_ppo.support.log_once import announce, log_once
from sorrel_recurrent_ppo.support.original_directory import from_original_directory
from sorrel_recurrent_ppo.support.randomness import untouched_random_state
from sorrel_recurrent_ppo.support.wording import counted

__all__ = [
    "admit_agents",
    "agent_facts",
    "build_chosen",
    "check_model_is_used",
    "check_parameter_lists",
    "choose_models",
    "config_of",
    "load_checkpoint",
    "member_facts",
    "own_seed",
    "parameters_for_agent",
    "stop_learning",
]

_log = logging.getLogger(__name__)

# Parameters of a model that may be a list with one value per agent.
_PER_AGENT = ("checkpoint", "learns")


def config_of(env: Environment) -> DictConfig | None:
    """Return an environment's config as OmegaConf reads it; ``None`` if it has none."""
    config = getattr(env, "config", None)
    if isinstance(config, dict):
        config = OmegaConf.create(config)
    return config if isinstance(config, DictConfig) else None


def agent_facts(agents: Sequence[Agent]) -> list[AgentFacts]:
    """Return what the choice of models depends on, of agents by index."""
    return [
        AgentFacts(type(agent).__name__, str(agent.kind), find_name(type(agent.model)))
        for agent in agents
    ]


def member_facts(members: Sequence[Member]) -> list[AgentFacts]:
    """Return what the choice of models depends on, of the members of a population.

    Their own model is the one that the environment gave them, not the one they have now.
    """
    return [AgentFacts(type(m.agent).__name__, str(m.agent.kind), m.own_model) for m in members]


def choose_models(
    config: DictConfig, requests: Sequence[ModelRequest], agents: Sequence[AgentFacts]
) -> list[Choice | None]:
    """Return the model that a config names for each agent, ``None`` where it names none.

    Raises:
        ConfigError: As `assign_models` and `check_lists`.
    """
    check_lists(config, requests, agents, complete=False)
    return assign_models(config, requests, agents)


def check_model_is_used(config: DictConfig, members: Sequence[Member]) -> None:
    """Raise if what is named for all agents has no effect, since all kinds name other models.

    Args:
        config: The environment's whole config.
        members: The members of its population.

    Raises:
        ConfigError: Each agent has the model that is named for its kind, and these are others.
    """
    requests = read_requests(config, available_models())
    common = [request for request in requests if request.kind is None]
    choices = choose_models(config, requests, member_facts(members))
    keys = dict.fromkeys(choice.key if choice else "" for choice in choices)
    if not common or not all(key.startswith("agent.") for key in keys):
        return
    named = [common[0].name_for(index) for index in range(len(choices))]
    if named != [choice.name for choice in choices if choice is not None]:
        raise ConfigError(
            f"{common[0].key}={common[0].names[0]} would have no effect: all agents have the "
            f"models that {' and '.join(keys)} name; set these instead"
        )


def admit_agents(env: Environment, population: Population) -> None:
    """Give an environment's agents their models, and admit them to its population.

    Agents that another population has lent are left as they are.

    Args:
        env: The environment, whose config names the models and has their parameters.
        population: The population, with the agents of earlier environments as members.

    Raises:
        ConfigError: A parameter does not fit, an agent has no model that could be replaced, or two
            agents share one recurrent model.
        CheckpointError: An agent's checkpoint is missing, damaged, or of another model.
    """
    config = config_of(env)
    assert config is not None
    agents = [agent for agent in env.agents if not is_lent(agent, population)]
    refuse_missing_models(agents)
    requests = read_requests(config, available_models())
    facts = [*member_facts(population.members), *agent_facts(agents)]
    first = len(population.members)
    choices = choose_models(config, requests, facts)[first:]
    changes: list[str] = []
    for index, (agent, choice) in enumerate(zip(agents, choices, strict=True), start=first):
        former = type(agent.model)
        kind = kind_of(config, facts, index)
        if choice is not None and choice.build:
            seed = agent_seed(config, choice.name, own_seed(config, choice), index)
            model = build_chosen(config, index, agent, choice, seed=seed)
            attach_model(agent, index, model)
            own_model = find_name(former)
            population.admit(
                agent, model_name=choice.name, seed=seed, kind=kind, own_model=own_model
            )
            changes.append(f"{choice.name} (was {former.__name__})")
        else:
            name = find_name(former) or former.__name__
            own_model = find_name(former)
            population.admit(agent, model_name=name, seed=None, kind=kind, own_model=own_model)
            changes.append(f"{name} (the environment's own)")
    members = population.members
    refuse_shared_models([m.agent for m in members], [m.agent.model for m in members])
    _log_changes(changes, first)
    for name in dict.fromkeys(choice.name for choice in choices if choice and choice.build):
        _warn_of_misplaced_keys(config, name)


def build_chosen(
    config: DictConfig,
    index: int,
    agent: Agent,
    choice: Choice,
    *,
    seed: int,
    is_newcomer: bool = False,
) -> BaseModel:
    """Return the model chosen for an agent, loaded from its checkpoint if the config names one.

    Args:
        config: The environment's whole config.
        index: The agent's index in the population.
        agent: The agent, whose specs give the sizes.
        choice: The choice.
        seed: Seed of the model's randomness.
        is_newcomer: Whether the agent joins during a run; its model is then a fresh one.

    Raises:
        ConfigError: A parameter does not fit; the message names the keys and the agent.
        CheckpointError: The checkpoint is missing, damaged, or of another model.
    """
    parameters, checkpoint, learns = parameters_for_agent(
        config, choice.name, index, choice.kind, choice.kind_index, is_newcomer=is_newcomer
    )
    parameters.pop("seed", None)
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
        sections = model_sections(config, choice.name, choice.kind)
        where = " and ".join(key for key in sections if sections[key]) or f"model.{choice.name}"
        raise ConfigError(
            f"{choice.key}={choice.name} for {agent_label(index, agent)}, with the parameters in "
            f"{where}: {error}"
        ) from error
    if checkpoint is not None:
        sections = model_sections(config, choice.name, choice.kind)
        # The section of a kind is the last, and takes precedence.
        key = [key for key, section in sections.items() if section.get("checkpoint")][-1]
        label = f"{key}.checkpoint for {agent_label(index, agent)}"
        load_checkpoint(model, checkpoint, label, seed=seed)
    if not learns:
        stop_learning(model)
    return model


def parameters_for_agent(
    config: DictConfig,
    name: str,
    index: int,
    kind: str | None,
    kind_index: int,
    *,
    is_newcomer: bool,
) -> tuple[dict[str, Any], str | None, bool]:
    """Return what a config says of an agent's model, with the agent's own values of lists.

    Args:
        config: The environment's whole config.
        name: The model's registry name.
        index: The agent's index in the population, for lists in ``model.<name>``.
        kind: The agent's kind, if known.
        kind_index: Its position among the agents of its kind, for lists in ``agent.<kind>.<name>``.
        is_newcomer: Whether the agent joins later: it starts fresh, and beyond the end of a list
            it gets the last value.

    Returns:
        The model's parameters, the file to start from, if any, and whether the agent learns.

    Raises:
        ConfigError: A list is too short, or ``learns`` is not true or false.
    """
    parameters: dict[str, Any] = {}
    for section_key, section in model_sections(config, name, kind).items():
        position = kind_index if section_key.startswith("agent.") else index
        for key in _PER_AGENT:
            values = section.get(key)
            if isinstance(values, list):
                own = min(position, len(values) - 1) if is_newcomer else position
                section[key] = _value_for(values, f"{section_key}.{key}", own, index)
        if is_ppo_model(load_model_class(name)) and "learns" in section:
            check_flag(f"{section_key}.learns", section["learns"])
        parameters |= section
    checkpoint, learns = parameters.pop("checkpoint", None), True
    if is_ppo_model(load_model_class(name)):
        learns = parameters.pop("learns", True)
    return parameters, None if checkpoint is None or is_newcomer else str(checkpoint), learns


def check_parameter_lists(config: DictConfig, choices: Sequence[Choice | None]) -> None:
    """Raise ConfigError if a list of parameters has another length than there are agents for it.

    Args:
        config: The environment's whole config.
        choices: The choices for all agents of a population.
    """
    for name, kind in dict.fromkeys((c.name, c.kind) for c in choices if c is not None):
        for section_key, section in model_sections(config, name, kind).items():
            is_of_kind = section_key.startswith("agent.")
            n_agents = sum(c is not None and c.kind == kind for c in choices)
            n_agents = n_agents if is_of_kind else len(choices)
            for key in _PER_AGENT:
                values = section.get(key)
                if isinstance(values, list) and len(values) != n_agents:
                    whose = f"agents of kind '{kind}'" if is_of_kind else "agents"
                    raise ConfigError(
                        f"{section_key}.{key} lists {counted(len(values), 'value')}, but the "
                        f"number of {whose} is {n_agents}; give one value for all or one for each"
                    )


def stop_learning(model: BaseModel) -> None:
    """Make a recurrent PPO act without collecting or updating, whatever calls ``train()``."""
    assert is_ppo_model(model)
    model.learns = False
    model.eval()


def own_seed(config: DictConfig, choice: Choice) -> Any:
    """Return the seed that a config gives for a model, ``model.<name>.seed``, or ``None``."""
    return model_section(config, choice.name, choice.kind).get("seed")


def _value_for(values: list[Any], key: str, position: int, index: int) -> Any:
    if position >= len(values):
        raise ConfigError(
            f"{key} lists {len(values)} values, none for agent {index}; give one for each agent"
        )
    return values[position]


def load_checkpoint(model: BaseModel, checkpoint: str, label: str, *, seed: int) -> None:
    """Load a saved model into a new one, which then draws from random streams of its own.

    Args:
        model: The model.
        checkpoint: The file.
        label: Whose model it is, for error messages.
        seed: Seed of the random streams: agents that start from one file act differently.

    Raises:
        ConfigError: The model cannot be loaded from a file.
        CheckpointError: The file is missing, damaged, or of another model or shape.
    """
    load = getattr(model, "load", None)
    if load is None:
        raise ConfigError(f"{label}: {type(model).__name__} cannot be loaded from a checkpoint")
    path = from_original_directory(checkpoint)
    if not path.is_file():
        raise CheckpointError(f"{label}: checkpoint {checkpoint} does not exist")
    try:
        with untouched_random_state():
            load(str(path))
    except CheckpointError as error:
        raise CheckpointError(f"{label}: {error}") from error
    except Exception as error:  # Sorrel's models pass on whatever PyTorch raises
        raise CheckpointError(
            f"{label}: checkpoint {checkpoint} is damaged or does not fit {model}: {error}"
        ) from error
    if is_ppo_model(model):
        model.reseed(seed)


def _sizes(agent: Agent) -> dict[str, Any]:
    """Return the sizes where the environment's own model differs from the agent's specs."""
    model, sizes = agent.model, {}
    if isinstance(model, PyTorchModel):
        if np.prod(model.input_size) != np.prod(agent.observation_spec.input_size):
            sizes["input_size"] = model.input_size
        if model.action_space != agent.action_spec.n_actions:
            sizes["action_space"] = model.action_space
    return sizes


def _log_changes(changes: Sequence[str], first: int) -> None:
    """Log the agents' models, a line for each group of consecutive agents that are alike."""
    for change, group in itertools.groupby(changes):
        last = first + len(list(group)) - 1
        agents = f"agent {first}" if first == last else f"agents {first}-{last}"
        announce(_log, f"{agents}: {change}")
        first = last + 1


def _warn_of_misplaced_keys(config: DictConfig, name: str) -> None:
    for key in misplaced_keys(config, model_parameters(name) or ()):
        log_once(
            _log,
            logging.WARNING,
            f"model.{key} is left to the environment; if it was meant for {name}, it must be "
            f"model.{name}.{key}",
        )
