"""The PPO update: passes over the sequences of a rollout, with truncated backpropagation in time.

Schulman et al., "Proximal Policy Optimization Algorithms", 2017 (arXiv:1707.06347).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.learning.advantages import (
    bootstrap_values,
    explained_variance,
    generalized_advantages,
)
from sorrel_recurrent_ppo.learning.losses import clipped_policy_loss, value_loss
from sorrel_recurrent_ppo.learning.minibatches import BurnIn, Minibatch, draw_passes
from sorrel_recurrent_ppo.learning.rollout import RolloutArrays
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.policy.actions import split_actions
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy, on_grid
from sorrel_recurrent_ppo.policy.cpu.malloc import keep_freed_memory
from sorrel_recurrent_ppo.support.reproducible_convolutions import reproducible_convolutions

__all__ = ["PPOLearner"]


class _Targets[Array](NamedTuple):
    """The numbers that the losses compare the policy with, each ``(N,)``."""

    old_log_probs: Array
    old_values: Array
    advantages: Array
    returns: Array


@dataclass(frozen=True)
class _Batch:
    """A rollout of ``N`` steps on the policy's device."""

    inputs: Tensor  # (N, D)
    recurrent_states: Tensor  # (N, S), flat states
    branches: Tensor  # (N, K)
    stacked_targets: Tensor  # (4, N), the fields of _Targets: one transfer and one gather for all

    def targets_at(self, steps: Tensor) -> _Targets[Tensor]:
        """Return the targets of the given steps."""
        return _Targets(*self.stacked_targets.index_select(1, steps))


class PPOLearner:
    """Updates a policy from rollouts.

    Attributes:
        policy: The policy to improve.
        settings: The model's settings.
        optimizer: Adam over the policy's parameters.
        rng: Generator of the minibatches' shuffling.
    """

    def __init__(
        self, policy: RecurrentPolicy, settings: PPOSettings, rng: np.random.Generator
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.rng = rng
        # The fused step is one kernel instead of several per tensor; some devices lack it.
        device_type = next(policy.parameters()).device.type
        self.optimizer = torch.optim.Adam(
            policy.parameters(),
            lr=settings.learning_rate,
            eps=1e-5,
            fused=device_type in ("cpu", "cuda"),
        )

    def update(
        self, rollout: RolloutArrays, *, learning_rate: float, entropy_coef: float
    ) -> dict[str, float]:
        """Improve the policy by ``n_epochs`` passes over a rollout.

        Args:
            rollout: The collected steps, at least one.
            learning_rate: Adam's step size.
            entropy_coef: Weight of the entropy bonus.

        Returns:
            Means over the update's minibatches, under Stable-Baselines3's metric names.

        Raises:
            NumericalError: A loss, a gradient or a weight is not finite. The weights and the
                optimizer's state are invalid afterwards.
        """
        keep_freed_memory()
        self._adopt_replaced_weights()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batch, returns = self._prepare(rollout)
        with reproducible_convolutions(batch.inputs.device):
            metrics = self._train_passes(rollout, batch, entropy_coef)
        table = cast("list[list[float]]", torch.stack(metrics).tolist())
        self._check_finite(table)
        columns = zip(*table, strict=True)
        means = {
            name: sum(column) / len(column)
            for name, column in zip(_MINIBATCH_METRICS, columns, strict=True)
        }
        means["train/explained_variance"] = explained_variance(rollout.values, returns)
        means["train/learning_rate"] = learning_rate
        means["train/entropy_coef"] = entropy_coef
        return means

    def _train_passes(
        self, rollout: RolloutArrays, batch: _Batch, entropy_coef: float
    ) -> list[Tensor]:
        """Pass over a rollout until the policy has changed too much; return the metrics."""
        passes = draw_passes(rollout.episode_starts, self.settings, self.rng, batch.inputs.device)
        metrics: list[Tensor] = []
        for minibatches in passes:
            first = len(metrics)
            for minibatch in minibatches:
                metrics.append(self._minibatch_step(batch, minibatch, entropy_coef))
            if self._diverged(metrics[first:]):
                break
        return metrics

    def _adopt_replaced_weights(self) -> None:
        """Put the policy's current parameters into the optimizer.

        ``load_state_dict(assign=True)`` replaces the parameter objects.
        """
        (group,) = self.optimizer.param_groups
        for k, weight in enumerate(self.policy.parameters()):
            old = group["params"][k]
            if weight is not old:
                group["params"][k] = weight
                if old in self.optimizer.state:
                    self.optimizer.state[weight] = self.optimizer.state.pop(old)

    def _prepare(self, rollout: RolloutArrays) -> tuple[_Batch, np.ndarray]:
        """Compute the advantages and returns, and move all arrays to the device."""
        settings = self.settings
        next_values = bootstrap_values(
            rollout.values,
            rollout.dones,
            rollout.episode_ends,
            truncate=settings.epoch_end == "truncation",
        )
        advantages = generalized_advantages(
            rollout.rewards,
            rollout.values,
            next_values,
            rollout.episode_ends,
            gamma=settings.gamma,
            gae_lambda=settings.gae_lambda,
        )
        returns = advantages + rollout.values
        if settings.normalize_advantage and len(advantages) > 1:
            # Over the rollout, not the minibatch: a step has the same weight in every pass.
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        branches = split_actions(rollout.actions, self.policy.heads.dims)
        device = next(self.policy.parameters()).device
        targets = _Targets(
            old_log_probs=rollout.log_probs,
            old_values=rollout.values,
            advantages=advantages,
            returns=returns,
        )
        arrays = (rollout.inputs, rollout.recurrent_states, branches, np.stack(targets))
        return _Batch(*(torch.as_tensor(array, device=device) for array in arrays)), returns

    def _starting_states(self, batch: _Batch, minibatch: Minibatch) -> Tensor:
        """Return the flat states before the sequences, stored or after burn-in."""
        flat_states = batch.recurrent_states.index_select(0, minibatch.state_steps)
        if minibatch.burn_in is None:
            return flat_states
        return self._burned_in_states(batch, flat_states, minibatch.burn_in)

    @torch.no_grad()
    def _burned_in_states(self, batch: _Batch, flat_states: Tensor, burn_in: BurnIn) -> Tensor:
        """Run the burn-in steps from the states stored before them."""
        core, grid = self.policy.core, burn_in.grid
        features = self.policy.features(batch.inputs.index_select(0, grid.steps))
        state = core.state_after(
            on_grid(features, grid.positions, grid.n_steps, len(burn_in.lengths)),
            core.state_from_flat(flat_states.index_select(0, burn_in.columns)),
            burn_in.lengths,
        )
        return flat_states.index_copy(0, burn_in.columns, core.flatten_state(state))

    def _minibatch_step(self, batch: _Batch, minibatch: Minibatch, entropy_coef: float) -> Tensor:
        """Make one optimizer step and return `_MINIBATCH_METRICS` as a tensor on the device."""
        settings, steps = self.settings, minibatch.grid.steps
        distribution, values = self.policy.evaluate_sequences(
            batch.inputs.index_select(0, steps),
            self.policy.core.state_from_flat(self._starting_states(batch, minibatch)),
            minibatch.grid.positions,
            minibatch.grid.n_steps,
        )
        targets = batch.targets_at(steps)
        log_prob, entropy = distribution.log_prob_and_entropy(batch.branches.index_select(0, steps))
        log_ratio = log_prob - targets.old_log_probs
        ratio = log_ratio.exp()
        policy_loss = clipped_policy_loss(ratio, targets.advantages, settings.clip_range)
        critic_loss = value_loss(
            values, targets.old_values, targets.returns, settings.clip_range_vf
        )
        entropy_loss = -entropy.mean()
        loss = policy_loss + settings.value_coef * critic_loss + entropy_coef * entropy_loss
        if settings.uniform_kl_coef:
            loss = loss + settings.uniform_kl_coef * distribution.kl_from_uniform().mean()
        self.policy.zero_grad()
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), settings.max_grad_norm)
        self.optimizer.step()
        with torch.no_grad():
            # Schulman's low-variance estimator of KL(old || new): mean of (ratio - 1) - log ratio.
            approx_kl = (ratio - 1.0 - log_ratio).mean()
            clipped = ((ratio - 1.0).abs() > settings.clip_range).float().mean()
            return torch.stack(
                (loss, policy_loss, critic_loss, entropy_loss, approx_kl, clipped, grad_norm)
            )

    def _check_finite(self, table: list[list[float]]) -> None:
        """Raise NumericalError for the first term that is not finite, or for the weights."""
        for index, values in enumerate(table):
            terms = dict(zip(_MINIBATCH_METRICS, values, strict=True))
            for name in _FINITE_TERMS:
                if not math.isfinite(terms[name]):
                    raise NumericalError(f"{name} is {terms[name]} in minibatch {index}")
        finite = torch.stack([weight.isfinite().all() for weight in self.policy.parameters()])
        if not finite.all():
            raise NumericalError("a weight is not finite after the last minibatch")

    def _diverged(self, metrics: list[Tensor]) -> bool:
        """Return whether a pass moved the policy beyond ``target_kl`` (SB3's factor 1.5).

        Waits for the device once per pass; not at all without ``target_kl``.
        """
        target = self.settings.target_kl
        if target is None:
            return False
        column = _MINIBATCH_METRICS.index("train/approx_kl")
        return float(torch.stack(metrics)[:, column].mean()) > 1.5 * target


_MINIBATCH_METRICS: tuple[str, ...] = (
    "train/loss",
    "train/policy_gradient_loss",
    "train/value_loss",
    "train/entropy_loss",
    "train/approx_kl",
    "train/clip_fraction",
    "train/grad_norm",
)

# The terms before their sum, so that the error names the term that caused it.
_FINITE_TERMS = (
    "train/policy_gradient_loss",
    "train/value_loss",
    "train/entropy_loss",
    "train/loss",
    "train/grad_norm",
)
