"""Statistics over seeds: summaries for tables, and learning curves with intervals."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import bootstrap, trim_mean

from records import Record
from tasks import Task

__all__ = ["above_from", "plot_curves", "summarise"]

_POINTS = 50


def summarise(task: Task, records: Sequence[Record]) -> dict[str, Any]:
    """Return summary statistics of the runs of one contestant.

    Returns:
        ``final``: the final score of each seed; ``median`` and ``iqr``: its median and quartiles;
        ``wall_seconds`` and ``cpu_seconds``: medians of the training time.
    """
    finals = [task.final(record) for record in records]
    return {
        "final": finals,
        "median": median(finals),
        "iqr": [float(q) for q in np.percentile(finals, [25, 75])],
        "wall_seconds": median(record.wall_seconds for record in records),
        "cpu_seconds": median(record.cpu_seconds for record in records),
    }


def plot_curves(path: Path, title: str, task: Task, runs: Mapping[str, Sequence[Record]]) -> None:
    """Plot each contestant's interquartile mean over seeds, with 95% bootstrap intervals."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, records in runs.items():
        steps, scores = _binned(records, min(_POINTS, *(len(r.steps) for r in records)))
        low, high = _interval(scores)
        (line,) = axes.plot(steps, trim_mean(scores, 0.25), label=f"{name} ({len(records)} seeds)")
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel="steps of an agent", ylabel=task.score)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def above_from(ours: Sequence[Record], theirs: Sequence[Record]) -> int | None:
    """Return the step from which our interquartile mean stays above theirs, None if never."""
    n_points = min(_POINTS, *(len(record.steps) for record in (*ours, *theirs)))
    steps, our_scores = _binned(ours, n_points)
    _, their_scores = _binned(theirs, n_points)
    not_above = np.flatnonzero(trim_mean(our_scores, 0.25) <= trim_mean(their_scores, 0.25))
    first = int(not_above[-1]) + 1 if len(not_above) else 0
    return int(steps[first]) if first < len(steps) else None


def _binned(records: Sequence[Record], n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper edges of equal bins of steps, and each run's mean score per bin ``(R, P)``.

    A bin in which no episode ended has the score of the previous bin.
    """
    last = min(record.steps[-1] for record in records)
    edges = np.linspace(0, last, n_points + 1)
    rows = []
    for record in records:
        bins = np.searchsorted(edges[1:-1], record.steps, side="left")
        sums = np.bincount(bins, record.scores, len(edges) - 1)
        counts = np.bincount(bins, minlength=len(edges) - 1)
        filled = np.maximum.accumulate(np.where(counts, np.arange(len(counts)), 0))
        rows.append((sums / np.maximum(counts, 1))[filled])
    return edges[1:], np.array(rows)


def _interval(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap bounds ``(P,)`` of the interquartile mean over the seeds of ``(R, P)``."""
    if len(scores) == 1:
        return scores[0], scores[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The BCa confidence interval")  # identical seeds
        result = bootstrap(
            (scores,),
            lambda x, axis: trim_mean(x, 0.25, axis=axis),
            axis=0,
            n_resamples=2_000,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    return result.confidence_interval.low, result.confidence_interval.high
