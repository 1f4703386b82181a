"""Interleaved timing: every contestant runs once per round, so slow periods affect all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

__all__ = ["interleave", "per_round", "spread", "stopwatch"]

type Measurement = Callable[[], float]


def interleave(contestants: Mapping[str, Measurement], rounds: int) -> dict[str, list[float]]:
    """Measure every contestant once per round.

    Args:
        contestants: Measurements by name; each call returns one number.
        rounds: Number of rounds.

    Returns:
        The numbers of each contestant, one per round.
    """
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            samples[name].append(measure())
    return samples


def per_round(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return the ratios of the rounds."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the extremes."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def stopwatch(work: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
