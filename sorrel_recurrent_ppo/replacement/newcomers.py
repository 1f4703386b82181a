"""Building the model of a newcomer; nothing of the group is changed yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sorrel.environment import Environment
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.population.members import agent_label
from sorrel_recurrent_ppo.population.model_choice import model_section
from sorrel_recurrent_ppo.registry import (
    available_models,
    build_model,
    is_ppo_model,
    model_parameters,
)
from sorrel_recurrent_ppo.support.randomness import untouched_random_state

__all__ = ["Newcomer", "build_newcomer", "parameters_of"]


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """A model that is ready to take a place.

    Attributes:
        index: The place in ``env.agents``.
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
    env: Environment,
    index: int,
    *,
    former_name: str,
    model_name: str | None,
    parameters: Mapping[str, Any],
    checkpoint: str | None,
    seed: int,
) -> Newcomer:
    """Build the model for a newcomer, touching no random stream but its own.

    Its parameters are, the later over the earlier: the packaged ones, those of the config's section
    ``model.<name>``, where the model stays the same those of the one who leaves, ``parameters``.

    Args:
        env: The environment that it is to join.
        index: The place it is to take.
        former_name: What the model of the one who leaves is called.
        model_name: Registry name of the newcomer's; ``None`` for the same.
        parameters: Changed parameters; ``seed`` among them outweighs ``seed``.
        checkpoint: A file to load it from, or ``None``.
        seed: Seed of its randomness.

    Raises:
        ConfigError: The name or a parameter is unknown, or a value does not fit.
        CheckpointError: The file is missing, damaged, or of another model or shape.
    """
    label = f"newcomer for {agent_label(index, env.agents[index])}"
    name = former_name if model_name is None else model_name
    if model_name is None and name not in available_models():
        raise ConfigError(
            f"{label}: the model that leaves, {name}, is not in the registry and cannot be built "
            f"anew; name one of {', '.join(available_models())}"
        )
    former = env.agents[index].model
    try:
        given = {"input_size": former.input_size, "action_space": former.action_space}
        given |= model_section(env.config, name)
        if model_name is None:
            given |= parameters_of(former, name)
        given |= {"seed": seed} | dict(parameters)
        model = build_model(name, observation_spec=env.agents[index].observation_spec, **given)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from error
    if checkpoint is not None:
        _load(model, checkpoint, label)
        if is_ppo_model(model):
            # Newcomers from one file are to differ in their choices, as their seeds do.
            model.reseed(given["seed"])
    if not getattr(former, "training", True):
        model.eval()  # pyright: ignore[reportAttributeAccessIssue] - the group is in evaluation
    return Newcomer(
        index=index, model=model, model_name=name, seed=given["seed"], checkpoint=checkpoint
    )


def parameters_of(model: BaseModel, name: str) -> dict[str, Any]:
    """Return what a model was built with, as far as it still knows.

    Not its ``epsilon``, which has decayed and is to start anew, nor its seed.
    """
    if is_ppo_model(model):
        return {**asdict(model.settings), "device": model.device}
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


def _load(model: BaseModel, checkpoint: str, label: str) -> None:
    """Load a checkpoint; whatever a model raises for a bad one becomes a CheckpointError."""
    load = getattr(model, "load", None)
    if load is None:
        raise ConfigError(f"{label}: {type(model).__name__} cannot be loaded from a checkpoint")
    if not Path(checkpoint).is_file():
        raise CheckpointError(f"{label}: checkpoint {checkpoint} does not exist")
    try:
        with untouched_random_state():
            load(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{label}: {error}") from error
    except Exception as error:  # Sorrel's models let through whatever PyTorch raises
        raise CheckpointError(
            f"{label}: checkpoint {checkpoint} is damaged or does not fit {model}: {error}"
        ) from error
