"""Value targets of a rollout: bootstrapped values, advantages, and the fit of the values.

Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016
(arXiv:1506.02438).
"""

from __future__ import annotations

import numpy as np

__all__ = ["bootstrap_values", "explained_variance", "generalized_advantages"]


def bootstrap_values(
    values: np.ndarray, dones: np.ndarray, episode_ends: np.ndarray, *, truncate: bool
) -> np.ndarray:
    """Return the value of the state after each step.

    Within an episode that is the value of the next step, and 0 after ``done``. If an episode ends
    without ``done``, Sorrel provides no next observation: a truncation substitutes the last known
    value, ``V(s_t)``; a terminal uses 0.

    Args:
        values: ``V(s_t)``, ``(N,)``.
        dones: Whether the step ended the episode, ``(N,)``.
        episode_ends: Whether the step is the last known one of its episode, ``(N,)``.
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
    r"""Return the generalized advantage estimates (arXiv:1506.02438, equation 16).

    ``delta_t = r_t + gamma V(s_{t+1}) - V(s_t)`` and
    ``A_t = delta_t + gamma lambda A_{t+1}``, where ``A_{t+1}`` is 0 after the end of an episode.

    Args:
        rewards: ``r_t``, ``(N,)``.
        values: ``V(s_t)``, ``(N,)``.
        next_values: ``V(s_{t+1})``, 0 after a terminal, ``(N,)``.
        episode_ends: Whether the step is the last known one of its episode, ``(N,)``.
        gamma: Discount.
        gae_lambda: Decay of the estimator; 0 gives one-step errors, 1 the full return.

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


def explained_variance(values: np.ndarray, returns: np.ndarray) -> float:
    """Return ``1 - Var(returns - values) / Var(returns)``; 0 for constant returns."""
    variance = float(np.var(returns))
    return 1.0 - float(np.var(returns - values)) / variance if variance > 0.0 else 0.0
