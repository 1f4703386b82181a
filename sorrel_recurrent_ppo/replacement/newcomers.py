"""Building the model of a newcomer; the group is not changed yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig
from sorrel.agents import Agent
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.admission import (
    load_checkpoint,
    parameters_for_agent,
    stop_learning,
)
from sorrel_recurrent_ppo.population.agent_models import agent_label
from sorrel_recurrent_ppo.registry import (
    available_models,
    build_model,
    is_ppo_model,
    model_parameters,
)

__all__ = ["Newcomer", "ReplacedAgent", "build_newcomer", "parameters_of"]


@dataclass(frozen=True)
class ReplacedAgent:
    """The agent that a newcomer replaces.

    Attributes:
        agent: The agent object, which stays.
        index: The agent's index in the population.
        config: The environment's whole config.
        former_name: Registry name of the model that leaves, or its class name.
        kind: The agent's kind, if known.
        kind_index: Its position among the agents of its kind.
    """

    agent: Agent
    index: int
    config: DictConfig
    former_name: str
    kind: str | None = None
    kind_index: int = 0


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """A model that is ready to replace an agent's.

    Attributes:
        index: The agent's index in the population.
        model: The model.
        model_name: Its registry name.
        seed: The seed it was built with.
        checkpoint: The file it was loaded from, or ``None`` for a fresh one.
    """

    index: int
    model: BaseModel
    model_name: str
    seed: int
    checkpoint: str | None


def build_newcomer(
    replaced: ReplacedAgent,
    *,
    model_name: str | None,
    parameters: Mapping[str, Any],
    checkpoint: str | None,
    seed: int,
) -> Newcomer:
    """Build the model for a newcomer, using no random stream but its own.

    Its parameters are, the later over the earlier: the packaged ones; those of the config's section
    ``model.<name>``, and of the agent's kind; where the model stays the same, those of the model
    that leaves; and ``parameters``.

    Args:
        replaced: The agent that it replaces.
        model_name: Registry name of the newcomer's model; ``None`` for the same.
        parameters: Changed parameters; ``seed`` among them takes precedence over ``seed``.
        checkpoint: A file to load it from, or ``None``.
        seed: Seed of its randomness.

    Raises:
        ConfigError: The name or a parameter is unknown, or a value does not fit.
        CheckpointError: The file is missing, damaged, or of another model or shape.
    """
    label = f"newcomer for {agent_label(replaced.index, replaced.agent)}"
    name = replaced.former_name if model_name is None else model_name
    if model_name is None and name not in available_models():
        raise ConfigError(
            f"{label}: the model that leaves, {name}, is not in the registry and cannot be built; "
            f"name one of {', '.join(available_models())}"
        )
    former = replaced.agent.model
    try:
        given = {"input_size": former.input_size, "action_space": former.action_space}
        # A newcomer starts from the checkpoint of the replacement, not from that of the config.
        section, _, learns = parameters_for_agent(
            *(replaced.config, name, replaced.index, replaced.kind, replaced.kind_index),
            is_newcomer=True,
        )
        given |= section
        if model_name is None:
            given |= parameters_of(former, name)
        given |= {"seed": seed} | dict(parameters)
        model = build_model(name, observation_spec=replaced.agent.observation_spec, **given)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from error
    if checkpoint is not None:
        # Newcomers from one file differ in their choices, as their seeds do.
        load_checkpoint(model, checkpoint, label, seed=given["seed"])
    if not learns:
        stop_learning(model)
    elif _is_in_evaluation(former) and (stop_training := getattr(model, "eval", None)) is not None:
        stop_training()  # the group is in evaluation
    return Newcomer(
        index=replaced.index,
        model=model,
        model_name=name,
        seed=given["seed"],
        checkpoint=checkpoint,
    )


def _is_in_evaluation(model: BaseModel) -> bool:
    """Return whether a model that may learn has been switched to evaluation."""
    return getattr(model, "learns", True) and not getattr(model, "training", True)


def parameters_of(model: BaseModel, name: str) -> dict[str, Any]:
    """Return what a model was built with, as far as it can be read from it.

    Without its ``epsilon``, which has decayed and starts at the beginning, and its seed.
    """
    if is_ppo_model(model):
        parameters = {**asdict(model.settings), "device": model.device}
        if model.layout.picture is None:  # a spec given to the newcomer may have a picture
            parameters["obs_type"] = "flattened"
        return parameters
    names = model_parameters(name) or frozenset()
    names -= {"input_size", "action_space", "epsilon", "seed"}
    known = {n: getattr(model, n) for n in names if hasattr(model, n)}
    # Sorrel's models keep these two under other names.
    if "memory_size" in names:
        known["memory_size"] = model.memory.capacity
    optimizer = getattr(model, "optimizer", None)
    if "LR" in names and optimizer is not None:
        known["LR"] = optimizer.param_groups[0]["lr"]
    return known
