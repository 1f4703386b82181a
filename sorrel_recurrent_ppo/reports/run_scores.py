"""Scores of a run in a comparison, computed from its values per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, read_metrics
from sorrel_recurrent_ppo.support.curves import last_tenth_mean, smooth, smoothing_window

__all__ = ["SCORE_NAMES", "RunCurve", "RunScores", "lowest_final", "read_curve", "score_run"]


@dataclass(frozen=True)
class RunCurve:
    """A run's values per epoch.

    Attributes:
        run: The run.
        values: The compared metric; shape ``(n_epochs,)``.
        steps: Agent steps since the start of the run; ``None`` if the run did not log them.
        seconds: Wall time of each epoch; ``None`` if the run did not log it.
    """

    run: SavedRun
    values: np.ndarray
    steps: np.ndarray | None
    seconds: np.ndarray | None

    @property
    def n_epochs(self) -> int:
        """The number of epochs."""
        return len(self.values)


@dataclass(frozen=True)
class RunScores:
    """The scores of a run.

    Attributes:
        final: Mean value of the last tenth of the epochs.
        area: Area under the curve divided by the number of epochs, the mean value of all epochs.
        epochs_to_threshold: Epochs until the smoothed curve reached the threshold; the number of
            epochs if it did not.
        reached: Whether the smoothed curve reached the threshold.
        steps_per_second: Agent steps per second; ``nan`` if the run did not log them.
    """

    final: float
    area: float
    epochs_to_threshold: float
    reached: bool
    steps_per_second: float


SCORE_NAMES = tuple(field.name for field in fields(RunScores))


def read_curve(run: SavedRun, metric: str) -> RunCurve:
    """Read a metric of a run.

    Raises:
        ConfigError: ``metrics.csv`` is missing, empty or damaged, or has no such column.
    """
    metrics, path = read_metrics(run), run.files.metrics
    if metric not in metrics:
        raise ConfigError(unknown_name(f"{path} has no column", metric, metrics))
    values = metrics[metric]
    not_finite = np.flatnonzero(~np.isfinite(values))
    if not_finite.size:
        raise ConfigError(f"{path} is damaged: no finite '{metric}' in epoch {not_finite[0]}")
    return RunCurve(run, values, metrics.get("steps"), metrics.get("seconds"))


def score_run(curve: RunCurve, n_epochs: int, threshold: float) -> RunScores:
    """Return the scores of a run over its first epochs.

    Args:
        curve: The run's values.
        n_epochs: The number of epochs to consider.
        threshold: The level for ``epochs_to_threshold``; the curve is smoothed over a twentieth of
            the epochs.
    """
    values = curve.values[:n_epochs]
    # Only full windows count: one lucky epoch at the start does not reach the threshold.
    window = smoothing_window(n_epochs)
    above = np.flatnonzero(smooth(values, window)[window - 1 :] >= threshold)
    return RunScores(
        final=last_tenth_mean(values),
        area=float(values.mean()),
        epochs_to_threshold=float(above[0] + window) if above.size else float(n_epochs),
        reached=bool(above.size),
        steps_per_second=_steps_per_second(curve, n_epochs),
    )


def lowest_final(groups: Sequence[Sequence[RunCurve]], n_epochs: int) -> float:
    """Return the lowest of the groups' mean final values."""
    return min(
        float(np.mean([last_tenth_mean(curve.values[:n_epochs]) for curve in group]))
        for group in groups
    )


def _steps_per_second(curve: RunCurve, n_epochs: int) -> float:
    if curve.steps is None or curve.seconds is None:
        return float("nan")
    seconds = float(curve.seconds[:n_epochs].sum())
    return float(curve.steps[n_epochs - 1]) / seconds if seconds > 0 else float("nan")
