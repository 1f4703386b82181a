"""What can be set on a recurrent PPO model: names, types and ranges.

The defaults stand in ``configs/model/base/recurrent_ppo.yaml``, with a line on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.support.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_number,
)

__all__ = ["PPOSettings"]

_CHOICES = {
    "obs_type": ("auto", "image", "flattened"),
    "epoch_end": ("truncation", "terminal"),
}
_FLAGS = ("layer_norm", "previous_action_reward", "normalize_advantage", "reward_scaling")
_AT_LEAST_ONE = (
    *("hidden_size", "rollout_length", "sequence_length", "n_epochs", "batch_size"),
    *("learning_rate_decay_steps", "entropy_decay_steps"),
)


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """Settings of a recurrent PPO model.

    Attributes:
        hidden_size: Width of the recurrent state.
        layer_size: Width of the encoder's output; ``None`` for the hidden size.
        obs_type: How the observation is read: ``"image"``, ``"flattened"`` or, by its shape,
            ``"auto"``.
        obs_dim: ``(channels, height, width)`` of the picture with which the observation begins.
        action_dims: Sizes of the action's branches; ``None`` for the model's own choice.
        layer_norm: Normalise what enters the recurrent core.
        previous_action_reward: Feed the last action and reward to the recurrent core.
        rollout_length: Agent steps before an update; epochs are never cut.
        sequence_length: Steps of back-propagation through time; 1 trains on single steps.
        burn_in: Steps before each sequence that only warm its state up (R2D2).
        epoch_end: Whether an epoch that ends without ``done`` is a truncation or a terminal.
        learning_rate: Adam's step size at the start.
        learning_rate_end_factor: What is left of it at the end of the annealing; 1 for constant.
        learning_rate_decay_steps: Agent steps over which it is annealed.
        n_epochs: Passes over a rollout.
        batch_size: Steps of a minibatch.
        gamma: Discount.
        gae_lambda: Decay of generalised advantage estimation.
        clip_range: Half-width of the clipped probability ratio.
        clip_range_vf: Half-width of the value's clipping; ``None`` for none.
        entropy_start: Weight of the entropy bonus at the start.
        entropy_end: Its weight at the end of the annealing.
        entropy_decay_steps: Agent steps over which it is annealed.
        value_coef: Weight of the value loss.
        max_grad_norm: Norm to which gradients are clipped.
        target_kl: An update's remaining passes are left out above 1.5 times this divergence.
        normalize_advantage: Give a rollout's advantages mean 0 and deviation 1.
        reward_scaling: Divide rewards by the running deviation of the discounted return.

    Raises:
        ConfigError: A value has the wrong type or is out of range.
    """

    hidden_size: int
    layer_size: int | None
    obs_type: Literal["auto", "image", "flattened"]
    obs_dim: tuple[int, int, int] | None
    action_dims: tuple[int, ...] | None
    layer_norm: bool
    previous_action_reward: bool
    rollout_length: int
    sequence_length: int
    burn_in: int
    epoch_end: Literal["truncation", "terminal"]
    learning_rate: float
    learning_rate_end_factor: float
    learning_rate_decay_steps: int
    n_epochs: int
    batch_size: int
    gamma: float
    gae_lambda: float
    clip_range: float
    clip_range_vf: float | None
    entropy_start: float
    entropy_end: float
    entropy_decay_steps: int
    value_coef: float
    max_grad_norm: float
    target_kl: float | None
    normalize_advantage: bool
    reward_scaling: bool

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            self._set(name, check_integer(name, getattr(self, name), 1))
        self._set("burn_in", check_integer("burn_in", self.burn_in, 0))
        for name in ("learning_rate", "clip_range", "max_grad_norm"):
            self._set(name, check_number(name, getattr(self, name), above=0.0))
        for name in ("entropy_start", "entropy_end", "value_coef"):
            self._set(name, check_number(name, getattr(self, name), low=0.0))
        for name in ("gamma", "gae_lambda"):
            self._set(name, check_number(name, getattr(self, name), low=0.0, high=1.0))
        factor = check_number(
            "learning_rate_end_factor", self.learning_rate_end_factor, above=0.0, high=1.0
        )
        self._set("learning_rate_end_factor", factor)
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for name in _FLAGS:
            check_flag(name, getattr(self, name))
        self._check_optional()
        if self.sequence_length > self.rollout_length:
            raise ConfigError(
                f"sequence_length={self.sequence_length} is longer than "
                f"rollout_length={self.rollout_length}"
            )

    def _check_optional(self) -> None:
        """Check what may be ``None``; lists become tuples, so that the settings are hashable."""
        if self.layer_size is not None:
            self._set("layer_size", check_integer("layer_size", self.layer_size, 1))
        for name in ("clip_range_vf", "target_kl"):
            if getattr(self, name) is not None:
                self._set(name, check_number(name, getattr(self, name), above=0.0))
        for name in ("obs_dim", "action_dims"):
            if getattr(self, name) is not None:
                self._set(name, check_integers(name, getattr(self, name), 1))
        if self.obs_dim is not None and len(self.obs_dim) != 3:
            raise ConfigError(
                f"obs_dim must be [channels, height, width], not {list(self.obs_dim)}"
            )

    def _set(self, name: str, value: Any) -> None:
        """Keep the plain form of a value that was given as, say, a number of numpy's."""
        object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(
        cls,
        values: Mapping[str, Any],
        *,
        where: str = "model",
        other_names: Sequence[str] = (),
    ) -> PPOSettings:
        """Make settings from a complete mapping.

        Args:
            values: One value for each setting.
            where: What the error message calls the place they come from.
            other_names: Names that are valid there without being settings, for the error message.

        Raises:
            ConfigError: A name is unknown or missing, or a value does not fit.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise ConfigError(
                    unknown_name(f"{where} has no parameter", name, [*names, *other_names])
                )
        missing = [name for name in names if name not in values]
        if missing:
            raise ConfigError(f"{where} lacks the parameters {', '.join(missing)}")
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
