"""Analysis of hidden states: their principal components, and an order of their units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PrincipalComponents", "principal_components", "unit_order"]


class PrincipalComponents(NamedTuple):
    """The first two principal components of ``N`` states of ``H`` units.

    Attributes:
        scores: The coordinates of each state, ``(N, 2)``.
        loadings: The unit vectors of the components, ``(2, H)``; 0 where the states vary in fewer
            than two directions.
        explained: The fraction of the variance that each component explains, ``(2,)``.
    """

    scores: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray


def principal_components(states: np.ndarray) -> PrincipalComponents:
    """Return the first two principal components of states.

    The sign of a component is chosen so that its largest loading is positive, which makes the
    result unique.

    Args:
        states: ``(N, H)`` with ``N`` at least 1.
    """
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    _, singular_values, directions = np.linalg.svd(centred, full_matrices=False)
    loadings, explained = np.zeros((2, states.shape[1])), np.zeros(2)
    total = float(np.square(singular_values).sum())
    tolerance = 1e-9 * max(1.0, float(singular_values[0]))
    rank = int((singular_values > tolerance).sum())
    for i in range(min(2, rank)):
        largest = directions[i, np.argmax(np.abs(directions[i]))]
        loadings[i] = directions[i] * np.sign(largest)
        explained[i] = singular_values[i] ** 2 / total
    return PrincipalComponents(centred @ loadings.T, loadings, explained)


def unit_order(states: np.ndarray) -> np.ndarray:
    """Return an order of the units in which correlated units are neighbours.

    Units are sorted by their angle in the plane of the first two principal components, computed
    with each unit scaled to variance 1; constant units come last.

    Args:
        states: ``(N, H)`` with ``N`` at least 1.
    """
    spread = states.std(axis=0, dtype=np.float64)
    changing = spread > 1e-6
    scaled = np.where(changing, states / np.where(changing, spread, 1.0), 0.0)
    loadings = principal_components(scaled).loadings
    angles = np.arctan2(loadings[1], loadings[0])
    return np.lexsort((angles, ~changing))
