"""Scores of a run in a comparison, computed from its values per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, read_metrics
from sorrel_recurrent_ppo.support.csv_blocks import column_names
from sorrel_recurrent_ppo.support.curves import smoothing_window
from sorrel_recurrent_ppo.support.epoch_curve import EpochCurve

__all__ = ["SCORE_NAMES", "RunCurve", "RunScores", "lowest_final", "read_curve", "score_run"]


@dataclass(frozen=True)
class RunCurve:
    """A run's metric over its epochs.

    Attributes:
        run: The run.
        metric: The compared metric, per epoch or log period.
        steps: Agent steps since the start of the run, for each value; ``None`` if the run did not
            log them.
        seconds: Wall time of the epochs of each value; ``None`` if the run did not log it.
    """

    run: SavedRun
    metric: EpochCurve
    steps: np.ndarray | None
    seconds: np.ndarray | None

    @property
    def n_epochs(self) -> int:
        """The number of epochs."""
        return self.metric.n_epochs


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
    metrics, path = read_metrics(run, [metric, "steps", "seconds"]), run.files.metrics
    if metric not in metrics:
        raise ConfigError(unknown_name(f"{path} has no column", metric, column_names(path)))
    curve = EpochCurve(metrics["epoch"], metrics["epochs"], metrics[metric])
    not_finite = curve.epochs[~np.isfinite(curve.values)]
    if not_finite.size:
        raise ConfigError(f"{path} is damaged: no finite '{metric}' in epoch {not_finite[0]:.0f}")
    return RunCurve(run, curve, metrics.get("steps"), metrics.get("seconds"))


def score_run(curve: RunCurve, n_epochs: int, threshold: float) -> RunScores:
    """Return the scores of a run over its first epochs.

    Args:
        curve: The run's values.
        n_epochs: The number of epochs to consider.
        threshold: The level for ``epochs_to_threshold``; the curve is smoothed over a twentieth of
            the epochs.
    """
    metric = curve.metric.first(n_epochs)
    reached_after = metric.first_epoch_at_least(threshold, smoothing_window(n_epochs))
    return RunScores(
        final=metric.last_tenth_mean,
        area=metric.mean(0, n_epochs),
        epochs_to_threshold=float(n_epochs if reached_after is None else reached_after),
        reached=reached_after is not None,
        steps_per_second=_steps_per_second(curve, n_epochs),
    )


def lowest_final(groups: Sequence[Sequence[RunCurve]], n_epochs: int) -> float:
    """Return the lowest of the groups' mean final values."""
    return min(
        float(np.mean([curve.metric.first(n_epochs).last_tenth_mean for curve in group]))
        for group in groups
    )


def _steps_per_second(curve: RunCurve, n_epochs: int) -> float:
    if curve.steps is None or curve.seconds is None:
        return float("nan")
    n_values = len(curve.metric.first(n_epochs).values)
    seconds = float(curve.seconds[:n_values].sum())
    return float(curve.steps[n_values - 1]) / seconds if seconds > 0 else float("nan")
