"""What is in hidden states: their main components, and an order of their units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Components", "main_components", "unit_order"]


class Components(NamedTuple):
    """The main components of ``N`` states of ``H`` units.

    Attributes:
        scores: Each state's place along the components, ``(N, 2)``.
        loadings: The directions of the components, ``(2, H)``, of length 1, or 0 where the
            states do not vary in so many directions.
        explained: The fraction of the variance that each component holds, ``(2,)``.
    """

    scores: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray


def main_components(states: np.ndarray) -> Components:
    """Return the two main components of states by a singular value decomposition.

    Their signs are such that each one's largest loading is positive, so that the same states
    always give the same picture.

    Args:
        states: ``(N, H)`` with ``N`` at least 1.
    """
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    loadings, explained = np.zeros((2, states.shape[1])), np.zeros(2)
    total = float(np.square(sizes).sum())
    varying = min(2, int((sizes > 1e-9 * max(1.0, float(sizes[0]))).sum()))
    for i in range(varying):
        largest = directions[i, np.argmax(np.abs(directions[i]))]
        loadings[i] = directions[i] * np.sign(largest)
        explained[i] = sizes[i] ** 2 / total
    return Components(centred @ loadings.T, loadings, explained)


def unit_order(states: np.ndarray) -> np.ndarray:
    """Return the units in an order in which those that rise and fall together are neighbours.

    The order is that of the units' angles in the plane of the two main components of the states
    in which each unit's variance is 1; units that never change come last.

    Args:
        states: ``(N, H)`` with ``N`` at least 1.
    """
    spread = states.std(axis=0, dtype=np.float64)
    changing = spread > 1e-6
    scaled = np.where(changing, states / np.where(changing, spread, 1.0), 0.0)
    loadings = main_components(scaled).loadings
    angles = np.arctan2(loadings[1], loadings[0])
    return np.lexsort((angles, ~changing))
