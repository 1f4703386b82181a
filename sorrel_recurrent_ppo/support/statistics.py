"""Interquartile means over seeds, with bootstrap intervals.

The interquartile mean is robust to single outlying runs, and the interval shows how little a few
seeds determine: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, trim_mean

__all__ = ["Estimate", "interquartile_mean"]

CONFIDENCE = 0.95
N_RESAMPLES = 2000
_BATCH_VALUES = 4_000_000  # values per batch of resamples; bounds the memory


@dataclass(frozen=True)
class Estimate:
    """An interquartile mean over seeds with its interval.

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
    """Estimate the mean of the middle half of the seeds, ``scipy.stats.trim_mean(values, 0.25)``.

    With fewer than four seeds nothing is trimmed, and the estimate is the mean. The interval is a
    percentile bootstrap over runs with a fixed seed, so the same values give the same interval.

    Args:
        values: Shape ``(n_seeds,)`` or ``(n_seeds, n_points)``; finite.

    Raises:
        ValueError: There are no values, or one is not finite.
    """
    values = np.asarray(values, dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("an interquartile mean needs finite values from at least one seed")
    mean = np.asarray(_trimmed_mean(values))
    if len(values) == 1:
        unknown = np.full_like(mean, np.nan)
        return Estimate(mean, unknown, unknown, 1)
    interval = bootstrap(
        (values,),
        _trimmed_mean,
        axis=0,
        n_resamples=N_RESAMPLES,
        batch=max(1, _BATCH_VALUES // values.size),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, np.asarray(interval.low), np.asarray(interval.high), len(values))


def _trimmed_mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return trim_mean(values, 0.25, axis=axis)
