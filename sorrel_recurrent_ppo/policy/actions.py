"""Conversion between a joint action's flat index and its branches.

The first branch varies slowest: for a move and a vote the flat index is ``move * n_vote + vote``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.support.checks import check_integers

__all__ = ["flatten_action", "split_actions", "validate_action_dims"]


def validate_action_dims(action_dims: Sequence[int], action_space: int) -> tuple[int, ...]:
    """Check that the product of the branch sizes is the size of the action space.

    Args:
        action_dims: The number of choices of each branch.
        action_space: The number of joint actions.

    Returns:
        ``action_dims`` as a tuple of ints.

    Raises:
        ConfigError: A size is not a positive integer, or the product is not ``action_space``.
    """
    dims = check_integers("action_dims", action_dims, 1)
    if math.prod(dims) != action_space:
        raise ConfigError(
            f"action_dims={list(dims)} make {math.prod(dims)} joint actions, but the action space "
            f"has {action_space}; the product of action_dims must equal it"
        )
    return dims


def flatten_action(branches: Sequence[int], action_dims: tuple[int, ...]) -> int:
    """Return the flat index of one choice per branch."""
    index = 0
    for choice, size in zip(branches, action_dims, strict=True):
        index = index * size + int(choice)
    return index


def split_actions(flat: np.ndarray, action_dims: tuple[int, ...]) -> np.ndarray:
    """Return the branches of joint actions.

    Args:
        flat: Flat indices of shape ``(N,)``.
        action_dims: The number of choices of each branch.

    Returns:
        Integers of shape ``(N, len(action_dims))``.
    """
    return np.stack(np.unravel_index(flat, action_dims), axis=-1)
