"""The parameters of a recurrent PPO model: names, types and ranges.

Their defaults are in ``configs/model/base/recurrent_ppo.yaml``.
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
    *("hidden_size", "sequence_length", "n_epochs", "batch_size"),
    *("learning_rate_decay_steps", "entropy_decay_steps"),
)


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """Settings of a recurrent PPO model.

    Attributes:
        hidden_size: Width of the recurrent state.
        layer_size: Width of the encoder's output; ``None`` for ``hidden_size``.
        obs_type: How the observation is read: ``"image"``, ``"flattened"``, or ``"auto"`` to decide
            by its shape.
        obs_dim: ``(channels, height, width)`` of the picture at the start of the observation.
        action_dims: Sizes of the action's branches; ``None`` for the model's default.
        layer_norm: Normalise the input of the recurrent core.
        max_time_constant: Longest time constant of the recurrent units at the start, in steps.
        previous_action_reward: Feed the previous action and reward to the network.
        rollout_length: Minimum number of agent steps before an update; epochs are never cut.
            ``None`` for an update at the end of every epoch, whatever its length.
        sequence_length: Steps of backpropagation through time; 1 trains on single steps. Sequences
            end with their episodes, however long they may be.
        burn_in: Steps before each sequence that only refresh its recurrent state (R2D2).
        epoch_end: Whether an epoch that ends without ``done`` is a truncation or a terminal.
        learning_rate: Adam's initial step size.
        learning_rate_end_factor: Final fraction of ``learning_rate``; 1 for a constant rate.
        learning_rate_decay_steps: Agent steps of the linear annealing.
        n_epochs: Passes over a rollout.
        batch_size: Target number of steps of a minibatch.
        gamma: Discount.
        gae_lambda: Decay of generalized advantage estimation.
        clip_range: Half-width of the interval to which the probability ratio is clipped.
        clip_range_vf: Half-width of the value clipping; ``None`` for no clipping.
        entropy_start: Initial weight of the entropy bonus.
        entropy_end: Final weight of the entropy bonus.
        entropy_decay_steps: Agent steps of the linear annealing.
        uniform_kl_coef: Weight of the policy's KL divergence from a uniform one, the log barrier of
            Agarwal et al. 2021 (arXiv:1908.00261). Unlike that of the entropy, its gradient does
            not vanish with the probability of an action: every action remains possible.
        value_coef: Weight of the value loss.
        max_grad_norm: Norm to which gradients are clipped.
        target_kl: Skip the remaining passes of an update above 1.5 times this KL divergence;
            ``None`` to always make all passes.
        normalize_advantage: Normalise a rollout's advantages to mean 0 and deviation 1.
        reward_scaling: Divide rewards by the running root mean square of the discounted return.

    Raises:
        ConfigError: A value has the wrong type or is out of range.
    """

    hidden_size: int
    layer_size: int | None
    obs_type: Literal["auto", "image", "flattened"]
    obs_dim: tuple[int, int, int] | None
    action_dims: tuple[int, ...] | None
    layer_norm: bool
    max_time_constant: float
    previous_action_reward: bool
    rollout_length: int | None
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
    uniform_kl_coef: float
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
        for name in ("entropy_start", "entropy_end", "uniform_kl_coef", "value_coef"):
            self._set(name, check_number(name, getattr(self, name), low=0.0))
        constant = check_number("max_time_constant", self.max_time_constant, low=2.0)
        self._set("max_time_constant", constant)
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

    def _check_optional(self) -> None:
        """Check the optional settings, and convert lists to tuples: settings are hashable."""
        for name in ("layer_size", "rollout_length"):
            if getattr(self, name) is not None:
                self._set(name, check_integer(name, getattr(self, name), 1))
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
        """Replace a value by its plain form, such as an int instead of a ``numpy.int64``."""
        object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(
        cls,
        values: Mapping[str, Any],
        *,
        where: str = "model",
        other_names: Sequence[str] = (),
    ) -> PPOSettings:
        """Create settings from a complete mapping.

        Args:
            values: One value for each setting.
            where: Source of the values, for error messages.
            other_names: Valid names in the source that are not settings, for error messages.

        Raises:
            ConfigError: A name is unknown or missing, or a value is invalid.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise ConfigError(
                    unknown_name(f"{where} has no parameter", name, [*names, *other_names])
                )
        missing = [name for name in names if name not in values]
        if missing:
            raise ConfigError(f"{where} is missing the parameters {', '.join(missing)}")
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
