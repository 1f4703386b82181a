"""All that a model needs to resume training, as plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.learning.ppo import PPOLearner
from sorrel_recurrent_ppo.learning.reward_scaling import ReturnScale
from sorrel_recurrent_ppo.learning.rollout import Rollout
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.observations import ObservationLayout, observation_shape
from sorrel_recurrent_ppo.support.randomness import generator_from_state

__all__ = ["TrainableModel", "load_training_state", "rollback_if_not_finite", "training_state"]


class TrainableModel(Protocol):
    """What saving and restoring a model needs of it; `RecurrentPPO` is one."""

    registry_name: ClassVar[str]
    settings: PPOSettings
    policy: RecurrentPolicy
    learner: PPOLearner
    layout: ObservationLayout
    action_dims: tuple[int, ...]
    hidden_size: int
    return_scale: ReturnScale
    earlier_timesteps: int
    n_updates: int
    diagnostics: dict[str, float]
    epsilon: float
    display_name: str
    input_size: Any
    layer_size: int
    action_space: int

    @property
    def agent_name(self) -> str:
        """The agent's name, empty if it has none."""
        ...

    @property
    def rollout(self) -> Rollout:
        """The steps collected for the next update."""
        ...

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the policy's parameters."""
        ...

    @property
    def random_streams(self) -> list[np.random.Generator]:
        """The model's own random streams."""
        ...

    @random_streams.setter
    def random_streams(self, streams: list[np.random.Generator]) -> None: ...


def training_state(model: TrainableModel) -> dict[str, Any]:
    """Return weights, optimizer, counters, random state and rollout: copies, as plain values.

    What it leaves out: a step that waits for its reward, the record of a running evaluation, and
    the contents of ``memory.extra_data``.
    """
    return {
        "identity": _identity(model),
        "settings": json.dumps(asdict(model.settings)),
        "policy": {key: value.clone() for key, value in model.policy.state_dict().items()},
        "optimizer": _cloned(model.optimizer.state_dict()),
        "random": [json.dumps(rng.bit_generator.state) for rng in model.random_streams],
        "rollout": _to_tensors(model.rollout.state_dict()),
        "return_scale": asdict(model.return_scale),
        "timesteps": model.earlier_timesteps,
        "n_updates": model.n_updates,
        "diagnostics": dict(model.diagnostics),
        "epsilon": float(model.epsilon),
    }


def load_training_state(model: TrainableModel, state: dict[str, Any]) -> None:
    """Let a model go on from what :func:`training_state` returned, with its own settings.

    Raises:
        ValueError: The state is of another model or shape, or damaged; the model is then as it was.
    """
    difference = _difference(state.get("identity"), _identity(model))
    if difference:
        raise ValueError(f"is of another model: {difference}")
    own, pending = training_state(model), model.rollout.pending
    try:
        _load(model, state)
    except Exception as error:  # what a damaged state raises depends on where it is damaged
        _load(model, own)
        model.rollout.pending = pending
        raise ValueError(f"is damaged: {error!r}") from error


@contextmanager
def rollback_if_not_finite(model: TrainableModel) -> Iterator[None]:
    """Give a model back what an update has spoilt if the block raises NumericalError.

    Raises:
        NumericalError: As the block's, with the agent and the update named.
    """
    weights = {key: value.clone() for key, value in model.policy.state_dict().items()}
    moments, scale = _cloned(model.optimizer.state_dict()), replace(model.return_scale)
    shuffling = model.learner.rng.bit_generator.state
    try:
        # What becomes too large is found among the terms of the loss.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except NumericalError as error:
        model.policy.load_state_dict(weights)
        model.optimizer.load_state_dict(moments)
        model.return_scale = scale
        model.learner.rng.bit_generator.state = shuffling
        raise NumericalError(
            f"{model.display_name}: update {model.n_updates + 1} was undone: {error}",
            model.agent_name,
        ) from error


def _identity(model: TrainableModel) -> dict[str, Any]:
    """What a state must share with a model for its weights to fit and mean the same."""
    return {
        "model": model.registry_name,
        "input_size": list(observation_shape(model.input_size)),
        "picture": list(model.layout.picture or ()),
        "action_dims": list(model.action_dims),
        "hidden_size": model.hidden_size,
        "layer_size": model.layer_size,
        "layer_norm": model.settings.layer_norm,
        "previous_action_reward": model.settings.previous_action_reward,
    }


def _difference(saved: Any, own: dict[str, Any]) -> str:
    """Tell in what a state's identity differs from a model's; nothing if in nothing."""
    if not isinstance(saved, dict):
        return f"its description is {saved!r:.80}"
    # By their texts: a damaged one may hold what cannot be compared.
    return "; ".join(
        f"its {key} is {saved.get(key)!r:.80}, this model's {own.get(key)!r}"
        for key in {**own, **saved}
        if repr(saved.get(key)) != repr(own.get(key))
    )


def _load(model: TrainableModel, state: dict[str, Any]) -> None:
    _check_weights(state["policy"])
    model.policy.load_state_dict(state["policy"])
    _load_optimizer(model, state["optimizer"])
    model.random_streams = [generator_from_state(json.loads(text)) for text in state["random"]]
    model.rollout.load_state_dict(_to_arrays(state["rollout"]))
    _check_actions(model)
    scale = ReturnScale(**{**state["return_scale"], "gamma": model.settings.gamma})
    model.return_scale = ReturnScale(
        scale.gamma,
        _count("return_scale.count", scale.count),
        _finite("return_scale.sum_of_squares", scale.sum_of_squares, low=0.0),
        _finite("return_scale.running_return", scale.running_return),
    )
    model.earlier_timesteps = _count("timesteps", state["timesteps"])
    model.n_updates = _count("n_updates", state["n_updates"])
    model.diagnostics = {str(key): float(value) for key, value in state["diagnostics"].items()}
    model.epsilon = _finite("epsilon", state["epsilon"])


def _check_weights(weights: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or not weight.isfinite().all():
            raise ValueError(f"the weight '{name}' has values that are not finite floats")


def _load_optimizer(model: TrainableModel, saved: dict[str, Any]) -> None:
    """Load Adam's state; PyTorch itself would take moments of a wrong shape."""
    parameters = list(model.policy.parameters())
    if sorted(saved["state"]) not in ([], list(range(len(parameters)))):
        raise ValueError("the optimizer's state is of another number of weights")
    for index, moments in saved["state"].items():
        shapes = {moments[key].shape for key in ("exp_avg", "exp_avg_sq")}
        if shapes != {parameters[index].shape} or moments["step"].numel() != 1:
            raise ValueError("the optimizer's state does not fit the weights")
        if not all(moment.isfinite().all() for moment in moments.values()):
            raise ValueError("the optimizer's state has values that are not finite")
    own_groups = model.optimizer.state_dict()["param_groups"]
    model.optimizer.load_state_dict({"state": saved["state"], "param_groups": own_groups})


def _check_actions(model: TrainableModel) -> None:
    rollout = model.rollout
    taken = rollout.actions[: rollout.size].tolist()
    taken += [] if rollout.last_action is None else [rollout.last_action]
    if not all(0 <= action < model.action_space for action in taken):
        raise ValueError("the rollout has actions that the model does not have")


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def _finite(name: str, value: Any, *, low: float = -math.inf) -> float:
    if not math.isfinite(value) or value < low:
        raise ValueError(f"{name} is {value!r}")
    return float(value)


def _cloned(value: Any) -> Any:
    """Copy nested containers and their tensors."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in value.items()}
    return [_cloned(item) for item in value] if isinstance(value, list | tuple) else value


def _to_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return {k: _to_tensors(v) for k, v in value.items()} if isinstance(value, dict) else value


def _to_arrays(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy()
    return {k: _to_arrays(v) for k, v in value.items()} if isinstance(value, dict) else value
