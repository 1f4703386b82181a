"""Downsampling of long curves to as many points as a picture can show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sorrel_recurrent_ppo.support.epoch_curve import EpochCurve

__all__ = ["MAX_POINTS", "Band", "Downsampling"]

MAX_POINTS = 2000


@dataclass(frozen=True)
class Band:
    """A downsampled curve.

    Attributes:
        mean: The mean of each interval of epochs.
        low: The lowest value in each.
        high: The highest value in each.
    """

    mean: EpochCurve
    low: np.ndarray
    high: np.ndarray


class Downsampling:
    """Means and extremes of a curve in intervals of equal numbers of epochs.

    Args:
        n_epochs: The number of epochs of the run.
        max_points: The largest number of intervals; a run of fewer epochs keeps all its values.

    Attributes:
        width: The number of epochs in an interval.
    """

    def __init__(self, n_epochs: int, max_points: int = MAX_POINTS) -> None:
        self.width = max(1, math.ceil(n_epochs / max_points))
        self._parts: list[np.ndarray] = []

    def add(self, epochs: np.ndarray, counts: np.ndarray, values: np.ndarray) -> None:
        """Add values, those of later epochs after those of earlier ones.

        Args:
            epochs: The last epoch of each value; shape ``(n_values,)``.
            counts: The number of epochs of each value.
            values: The values.
        """
        if len(epochs):
            part = np.stack([epochs, counts, values * counts, values, values])
            self._parts.append(self._merged(part))

    def _merged(self, part: np.ndarray) -> np.ndarray:
        """Merge the columns of the same interval; shape ``(5, n_intervals)``."""
        epochs, counts, sums, low, high = part
        intervals = epochs // self.width
        starts = np.flatnonzero(np.diff(intervals, prepend=-1))
        return np.stack(
            [
                np.maximum.reduceat(epochs, starts),
                np.add.reduceat(counts, starts),
                np.add.reduceat(sums, starts),
                np.minimum.reduceat(low, starts),
                np.maximum.reduceat(high, starts),
            ]
        )

    def band(self) -> Band:
        """Return the downsampled curve."""
        whole = np.concatenate([np.zeros((5, 0)), *self._parts], axis=1)
        epochs, counts, sums, low, high = self._merged(whole) if whole.size else whole
        return Band(EpochCurve(epochs, counts, sums / counts), low, high)
