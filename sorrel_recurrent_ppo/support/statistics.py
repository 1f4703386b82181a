"""Interquartile means over seeds, with bootstrap intervals.

After Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021):
few seeds say little, and a mean says less than the middle half of the runs with an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, trim_mean

__all__ = ["Estimate", "interquartile_mean"]

CONFIDENCE = 0.95
N_RESAMPLES = 2000
_BATCH_VALUES = 4_000_000  # numbers that a batch of resamples holds at once


@dataclass(frozen=True)
class Estimate:
    """An interquartile mean over seeds and its interval.

    Attributes:
        value: The mean; shape ``()`` or ``(n_points,)``.
        low: Lower end of the 95 % interval; ``nan`` with a single seed.
        high: Upper end.
        n_seeds: Number of runs.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_seeds: int


def interquartile_mean(values: np.ndarray) -> Estimate:
    """Estimate the mean of the middle half: ``scipy.stats.trim_mean`` with a quarter off each end.

    With fewer than four seeds nothing is cut off, and it is the mean. The interval is the
    percentile bootstrap over whole runs, from a fixed seed: the same files, the same interval.

    Args:
        values: Shape ``(n_seeds,)`` or ``(n_seeds, n_points)``; finite.

    Raises:
        ValueError: There is no seed, or a value is not finite.
    """
    values = np.asarray(values, dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("an interquartile mean needs finite values of at least one seed")
    middle = np.asarray(_trimmed(values))
    if len(values) == 1:
        unknown = np.full_like(middle, np.nan)
        return Estimate(middle, unknown, unknown, 1)
    interval = bootstrap(
        (values,),
        _trimmed,
        axis=0,
        n_resamples=N_RESAMPLES,
        batch=max(1, _BATCH_VALUES // values.size),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(middle, np.asarray(interval.low), np.asarray(interval.high), len(values))


def _trimmed(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return trim_mean(values, 0.25, axis=axis)
