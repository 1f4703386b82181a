"""Smoothing and summarising of values per epoch."""

from __future__ import annotations

import numpy as np

__all__ = ["last_tenth_mean", "smooth", "smoothing_window"]


def last_tenth_mean(values: np.ndarray) -> float:
    """Return the mean of the last tenth of the values, at least of one: a run's final value."""
    return float(values[-max(1, len(values) // 10) :].mean())


def smoothing_window(n_epochs: int) -> int:
    """Return the number of epochs to average over: a twentieth of the run."""
    return max(1, n_epochs // 20)


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each value and up to ``window - 1`` values before it."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
