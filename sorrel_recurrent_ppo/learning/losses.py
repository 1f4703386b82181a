"""The clipped losses of proximal policy optimisation.

Schulman et al., "Proximal Policy Optimization Algorithms", 2017 (arXiv:1707.06347).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clipped_policy_loss", "value_loss"]


def clipped_policy_loss(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """Return the negative clipped surrogate objective (arXiv:1707.06347, equation 7).

    Args:
        ratio: New over old probability of each action, ``(N,)``.
        advantages: Advantages, ``(N,)``.
        clip_range: Half-width of the clipping interval around 1.

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
        values: Current values, ``(N,)``.
        old_values: Values when acting, ``(N,)``.
        returns: Targets, ``(N,)``.
        clip_range_vf: If given, each step counts the larger of two errors: that of the value, and
            that of the value clipped to this distance from the old one.
    """
    error = (values - returns).square()
    if clip_range_vf is not None:
        near = old_values + (values - old_values).clamp(-clip_range_vf, clip_range_vf)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error.mean()
