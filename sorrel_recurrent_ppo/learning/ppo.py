"""Proximal policy optimisation over sequences: advantages, the clipped loss, the update.

Schulman et al., "Proximal Policy Optimization Algorithms", 2017 (arXiv:1707.06347), and
"High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016
(arXiv:1506.02438).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.learning.minibatches import BurnIn, Minibatch, draw_passes
from sorrel_recurrent_ppo.learning.rollout import RolloutArrays
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from sorrel_recurrent_ppo.policy.actions import split_actions
from sorrel_recurrent_ppo.policy.actor_critic import RecurrentPolicy, on_grid
from sorrel_recurrent_ppo.policy.cpu.malloc import keep_freed_memory

__all__ = [
    "PPOLearner",
    "bootstrap_values",
    "clipped_policy_loss",
    "explained_variance",
    "generalized_advantages",
    "value_loss",
]


def bootstrap_values(
    values: np.ndarray, dones: np.ndarray, episode_ends: np.ndarray, *, truncate: bool
) -> np.ndarray:
    """Return the value of what follows each step.

    Within an episode that is the next step's value, and 0 after ``done``. Where an episode was cut
    off, Sorrel shows no next observation: a truncation takes the last value seen, ``V(s_t)``, for
    the one that would have followed, a terminal takes 0.

    Args:
        values: ``V(s_t)``, ``(N,)``.
        dones: The episode ended by the step, ``(N,)``.
        episode_ends: The step is the last known one of its episode, ``(N,)``.
        truncate: Whether an end without ``done`` is a truncation.

    Returns:
        ``V(s_{t+1})``, ``(N,)``.
    """
    following = np.append(values[1:], 0.0).astype(values.dtype)
    cut_off = values if truncate else np.zeros_like(values)
    return np.where(dones, 0.0, np.where(episode_ends, cut_off, following)).astype(values.dtype)


def generalized_advantages(
    rewards: np.ndarray,
    values: np.ndarray,
    next_values: np.ndarray,
    episode_ends: np.ndarray,
    *,
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    r"""Return the generalised advantage estimates (arXiv:1506.02438, equation 16).

    ``delta_t = r_t + gamma V(s_{t+1}) - V(s_t)`` and
    ``A_t = delta_t + gamma lambda A_{t+1}``, where ``A_{t+1}`` counts as 0 after an episode's end.

    Args:
        rewards: ``r_t``, ``(N,)``.
        values: ``V(s_t)``, ``(N,)``.
        next_values: ``V(s_{t+1})``, 0 after a terminal, ``(N,)``.
        episode_ends: Nothing of the same episode follows the step, ``(N,)``.
        gamma: Discount.
        gae_lambda: Decay of the estimator; 0 gives one-step errors, 1 the whole return.

    Returns:
        ``A_t``, ``(N,)`` float32.
    """
    deltas = (rewards + gamma * next_values - values).tolist()
    decays = np.where(episode_ends, 0.0, gamma * gae_lambda).tolist()
    advantages, following = [0.0] * len(deltas), 0.0
    for t in range(len(deltas) - 1, -1, -1):
        following = deltas[t] + decays[t] * following
        advantages[t] = following
    return np.array(advantages, np.float32)


def clipped_policy_loss(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """Return the clipped surrogate objective, negated (arXiv:1707.06347, equation 7).

    Args:
        ratio: New over old probability of each action, ``(N,)``.
        advantages: ``(N,)``.
        clip_range: Half-width of the clipping around 1.

    Returns:
        The mean over the steps, a scalar to minimise.
    """
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, clip_range_vf: float | None
) -> Tensor:
    """Return half the mean squared error of the values.

    Args:
        values: The values now, ``(N,)``.
        old_values: The values when acting, ``(N,)``.
        returns: Their targets, ``(N,)``.
        clip_range_vf: If given, the worse of the error and of that of the value moved no further
            than this from the old one.
    """
    error = (values - returns).square()
    if clip_range_vf is not None:
        near = old_values + (values - old_values).clamp(-clip_range_vf, clip_range_vf)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error.mean()


def explained_variance(values: np.ndarray, returns: np.ndarray) -> float:
    """Return ``1 - Var(returns - values) / Var(returns)``; 0 where the returns do not vary."""
    variance = float(np.var(returns))
    return 1.0 - float(np.var(returns - values)) / variance if variance > 0.0 else 0.0


@dataclass(frozen=True)
class _Batch:
    """A rollout on the device, ready for its minibatches (``N`` steps)."""

    inputs: Tensor  # (N, D)
    recurrent_states: Tensor  # (N, S)
    branches: Tensor  # (N, K)
    numbers: Tensor  # (4, N): old log-probabilities, old values, advantages, returns


class PPOLearner:
    """Updates a policy from rollouts.

    Attributes:
        policy: What is learned.
        optimizer: Adam over its parameters.
        rng: Where the minibatches' shuffling draws from.
    """

    def __init__(
        self, policy: RecurrentPolicy, settings: PPOSettings, rng: np.random.Generator
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.rng = rng
        # The fused step is one kernel instead of several per tensor; not every device has it.
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
            rollout: At least one step.
            learning_rate: Adam's step size.
            entropy_coef: Weight of the entropy bonus.

        Returns:
            Means over the update's minibatches, under Stable-Baselines3's names.

        Raises:
            NumericalError: A loss, a gradient or a weight is not finite; the weights and the
                optimizer's state are then spoilt.
        """
        keep_freed_memory()
        self._follow_replaced_weights()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        batch, returns = self._prepare(rollout)
        passes = draw_passes(rollout.episode_starts, self.settings, self.rng, batch.inputs.device)
        rows: list[Tensor] = []
        for minibatches in passes:
            first = len(rows)
            for minibatch in minibatches:
                rows.append(self._minibatch_step(batch, minibatch, entropy_coef))
            if self._diverged(rows[first:]):
                break
        table = torch.stack(rows).tolist()
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

    def _follow_replaced_weights(self) -> None:
        """Let the optimizer hold the policy's weights after ``load_state_dict(assign=True)``."""
        (group,) = self.optimizer.param_groups
        for k, weight in enumerate(self.policy.parameters()):
            old = group["params"][k]
            if weight is not old:
                group["params"][k] = weight
                if old in self.optimizer.state:
                    self.optimizer.state[weight] = self.optimizer.state.pop(old)

    def _prepare(self, rollout: RolloutArrays) -> tuple[_Batch, np.ndarray]:
        """Compute advantages and returns, and move everything to the device."""
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
            # Over the rollout, not the minibatch: the same step weighs the same in every pass.
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        branches = split_actions(rollout.actions, self.policy.heads.dims)
        device = next(self.policy.parameters()).device
        numbers = np.stack((rollout.log_probs, rollout.values, advantages, returns))
        arrays = (rollout.inputs, rollout.recurrent_states, branches, numbers)
        return _Batch(*(torch.as_tensor(array, device=device) for array in arrays)), returns

    def _starting_states(self, batch: _Batch, minibatch: Minibatch) -> Tensor:
        """Return the state rows from which sequences start: stored ones, or warmed up."""
        rows = batch.recurrent_states.index_select(0, minibatch.state_steps)
        if minibatch.burn_in is None:
            return rows
        return self._burned_in_states(batch, rows, minibatch.burn_in)

    @torch.no_grad()
    def _burned_in_states(self, batch: _Batch, rows: Tensor, burn_in: BurnIn) -> Tensor:
        """Run a warm-up's steps from the states stored before them."""
        core, grid = self.policy.core, burn_in.grid
        features = self.policy.features(batch.inputs.index_select(0, grid.steps))
        state = core.state_after(
            on_grid(features, grid.positions, grid.n_steps, len(burn_in.lengths)),
            core.state_from_flat(rows.index_select(0, burn_in.columns)),
            burn_in.lengths,
        )
        return rows.index_copy(0, burn_in.columns, core.flatten_state(state))

    def _minibatch_step(self, batch: _Batch, minibatch: Minibatch, entropy_coef: float) -> Tensor:
        """Make one optimizer step; returns the values of ``_MINIBATCH_METRICS``, on the device."""
        settings, steps = self.settings, minibatch.grid.steps
        distribution, values = self.policy.evaluate_sequences(
            batch.inputs.index_select(0, steps),
            self.policy.core.state_from_flat(self._starting_states(batch, minibatch)),
            minibatch.grid.positions,
            minibatch.grid.n_steps,
        )
        old_log_prob, old_values, advantages, returns = batch.numbers.index_select(1, steps)
        log_prob, entropy = distribution.log_prob_and_entropy(batch.branches.index_select(0, steps))
        log_ratio = log_prob - old_log_prob
        ratio = log_ratio.exp()
        policy_loss = clipped_policy_loss(ratio, advantages, settings.clip_range)
        critic_loss = value_loss(values, old_values, returns, settings.clip_range_vf)
        entropy_loss = -entropy.mean()
        loss = policy_loss + settings.value_coef * critic_loss + entropy_coef * entropy_loss
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
        """Raise NumericalError for the first term of the first minibatch that is not finite."""
        for number, row in enumerate(table):
            terms = dict(zip(_MINIBATCH_METRICS, row, strict=True))
            for name in _FINITE_TERMS:
                if not math.isfinite(terms[name]):
                    raise NumericalError(f"{name} is {terms[name]} in minibatch {number}")
        finite = torch.stack([weight.isfinite().all() for weight in self.policy.parameters()])
        if not finite.all():
            raise NumericalError("a weight is not finite after the last minibatch")

    def _diverged(self, rows: list[Tensor]) -> bool:
        """Whether a pass moved the policy further than ``target_kl`` (SB3's factor 1.5).

        It is a look at the device's numbers once a pass; without ``target_kl`` there is none.
        """
        target = self.settings.target_kl
        if target is None:
            return False
        column = _MINIBATCH_METRICS.index("train/approx_kl")
        return float(torch.stack(rows)[:, column].mean()) > 1.5 * target


_MINIBATCH_METRICS: tuple[str, ...] = (
    "train/loss",
    "train/policy_gradient_loss",
    "train/value_loss",
    "train/entropy_loss",
    "train/approx_kl",
    "train/clip_fraction",
    "train/grad_norm",
)

# The terms before their sum, so that the one at fault is named.
_FINITE_TERMS = (
    "train/policy_gradient_loss",
    "train/value_loss",
    "train/entropy_loss",
    "train/loss",
    "train/grad_norm",
)
