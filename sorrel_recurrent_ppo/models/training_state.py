"""The training state of a model: capture as plain values, restore, and roll back."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import torch

from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.learning.ppo import PPOLearner
from sorrel_recurrent_ppo.learning.reward_scaling import ReturnScale
from sorrel_recurrent_ppo.learning.rollout import Rollout
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy
from sorrel_recurrent_ppo.policy.observations import ObservationLayout, observation_shape
from sorrel_recurrent_ppo.support.checks import check_integer, check_number
from sorrel_recurrent_ppo.support.randomness import generator_from_state
from sorrel_recurrent_ppo.support.torch_switches import plain_torch

__all__ = ["TrainableModel", "load_training_state", "rollback_if_not_finite", "training_state"]

_COMPILED = "_orig_mod."  # the name that torch.compile puts before those of weights


class TrainableModel(Protocol):
    """The attributes of a model that updating, saving and restoring use; see `RecurrentPPO`."""

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
        """The agent's name; empty if it has none."""
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
        """The model's random generators."""
        ...

    @random_streams.setter
    def random_streams(self, streams: list[np.random.Generator]) -> None: ...


def training_state(model: TrainableModel) -> dict[str, Any]:
    """Return copies of weights, optimizer, counters, random state and rollout, as plain values.

    The pending step, the record of a running evaluation and ``memory.extra_data`` are not included.
    """
    with plain_torch():  # tensors made in inference mode could not be updated
        return {
            "identity": _identity(model),
            "settings": json.dumps(asdict(model.settings)),
            "policy": _weights(model.policy),
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
    """Restore the result of :func:`training_state`; the model keeps its settings and device.

    Raises:
        ValueError: The state is damaged or of a different model. The model is unchanged.
    """
    difference = _difference(state.get("identity"), _identity(model))
    if difference:
        raise ValueError(f"the model differs: {difference}")
    own, pending = training_state(model), model.rollout.pending
    with plain_torch():
        try:
            _load(model, state)
        except Exception as error:  # the type depends on the damage
            _load(model, own)
            model.rollout.pending = pending
            raise ValueError(f"the state is damaged: {error!r}") from error


@contextmanager
def rollback_if_not_finite(model: TrainableModel) -> Generator[None]:
    """Roll back an update of a model if the block raises NumericalError.

    Raises:
        NumericalError: The block's error, with the names of the agent and the update.
    """
    weights = _weights(model.policy)
    moments, scale = _cloned(model.optimizer.state_dict()), replace(model.return_scale)
    shuffling = model.learner.rng.bit_generator.state
    try:
        # The checks of the loss terms report overflows.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except NumericalError as error:
        _load_weights(model.policy, weights)
        model.optimizer.load_state_dict(moments)
        model.return_scale = scale
        model.learner.rng.bit_generator.state = shuffling
        raise NumericalError(
            f"{model.display_name}: update {model.n_updates + 1} was rolled back: {error}",
            model.agent_name,
        ) from error


def _identity(model: TrainableModel) -> dict[str, Any]:
    """Return the properties that a model must share with a state to load it."""
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
    """Describe how a saved identity differs from a model's; empty if they are equal."""
    if not isinstance(saved, dict):
        return f"expected an identity (from the checkpoint), found {saved!r:.80}"
    expected = cast("dict[str, Any]", saved)
    # By their texts: values of a damaged state may not support comparison.
    return "; ".join(
        f"expected {key}={expected.get(key)!r:.80} (from the checkpoint), found {own.get(key)!r}"
        for key in {**own, **expected}
        if repr(expected.get(key)) != repr(own.get(key))
    )


def _load(model: TrainableModel, state: dict[str, Any]) -> None:
    _check_weights(state["policy"])
    _load_weights(model.policy, state["policy"])
    _load_optimizer(model, state["optimizer"])
    model.random_streams = [generator_from_state(json.loads(text)) for text in state["random"]]
    model.rollout.load_state_dict(_to_arrays(state["rollout"]))
    _check_actions(model)
    return_scale: dict[str, Any] = {**state["return_scale"], "gamma": model.settings.gamma}
    scale = ReturnScale(**return_scale)
    model.return_scale = ReturnScale(
        scale.gamma,
        check_integer("return_scale.count", scale.count, 0),
        float(check_number("return_scale.sum_of_squares", scale.sum_of_squares, low=0.0)),
        float(check_number("return_scale.running_return", scale.running_return)),
    )
    model.earlier_timesteps = check_integer("timesteps", state["timesteps"], 0)
    model.n_updates = check_integer("n_updates", state["n_updates"], 0)
    model.diagnostics = {str(key): float(value) for key, value in state["diagnostics"].items()}
    model.epsilon = float(check_number("epsilon", state["epsilon"]))


def _weights(policy: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of a policy's weights, by the names that they have without ``torch.compile``.

    It wraps the policy, or modules of it, and puts its own name into theirs.
    """
    return {_plain(name): value.clone() for name, value in policy.state_dict().items()}


def _load_weights(policy: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Load weights by their names without ``torch.compile``."""
    own = {_plain(name): name for name in policy.state_dict()}
    policy.load_state_dict({own.get(name, name): value for name, value in weights.items()})


def _plain(name: str) -> str:
    return name.replace(_COMPILED, "")


def _check_weights(weights: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or not weight.isfinite().all():
            raise ValueError(f"the weight '{name}' is not of finite float32 values")


def _load_optimizer(model: TrainableModel, saved: dict[str, Any]) -> None:
    """Load Adam's state; PyTorch does not check the shapes of the moments."""
    parameters = list(model.policy.parameters())
    if sorted(saved["state"]) not in ([], list(range(len(parameters)))):
        raise ValueError(
            f"expected optimizer states of no or {len(parameters)} weights, found "
            f"{len(saved['state'])}"
        )
    states = cast("dict[int, dict[str, torch.Tensor]]", saved["state"])
    for index, moments in states.items():
        shapes = {moments[key].shape for key in ("exp_avg", "exp_avg_sq")}
        if shapes != {parameters[index].shape} or moments["step"].numel() != 1:
            raise ValueError(f"the optimizer's state of weight {index} has another shape")
        if not all(moment.isfinite().all() for moment in moments.values()):
            raise ValueError(f"the optimizer's state of weight {index} is not finite")
    own_groups = model.optimizer.state_dict()["param_groups"]
    model.optimizer.load_state_dict({"state": saved["state"], "param_groups": own_groups})


def _check_actions(model: TrainableModel) -> None:
    rollout = model.rollout
    taken = rollout.actions[: rollout.size].tolist()
    taken += [] if rollout.last_action is None else [rollout.last_action]
    if not all(0 <= action < model.action_space for action in taken):
        raise ValueError(f"the rollout contains actions outside 0 to {model.action_space - 1}")


def _cloned(value: Any) -> Any:
    """Copy nested containers and their tensors."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_cloned(item) for item in cast("list[Any]", value)]
    return value


def _to_tensors(value: Any) -> Any:
    """Copy nested dictionaries, with tensors in place of arrays."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: _to_tensors(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value


def _to_arrays(value: Any) -> Any:
    """Copy nested dictionaries, with arrays in place of tensors."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {key: _to_arrays(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value
