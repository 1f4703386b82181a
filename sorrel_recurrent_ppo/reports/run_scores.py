"""What a run comes to in a comparison: a few figures and its curve, over a number of epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.experiments.logging.plotting import smooth, smoothing_window
from sorrel_recurrent_ppo.experiments.run_summary import last_tenth_mean
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, read_metrics

__all__ = ["RunCurve", "RunScores", "lowest_final", "read_curve", "score_run"]


@dataclass(frozen=True)
class RunCurve:
    """A run's values per epoch.

    Attributes:
        run: The run.
        values: The compared metric; shape ``(n_epochs,)``.
        steps: Agent steps since the start; ``None`` where the run did not write them.
        seconds: Wall time of each epoch; ``None`` likewise.
    """

    run: SavedRun
    values: np.ndarray
    steps: np.ndarray | None
    seconds: np.ndarray | None

    @property
    def n_epochs(self) -> int:
        """Epochs that it has."""
        return len(self.values)


@dataclass(frozen=True)
class RunScores:
    """The figures of a run.

    Attributes:
        final: Mean value of the last tenth of the epochs.
        area: Area under the curve, divided by the epochs: the mean value of all.
        epochs_to_threshold: Epochs until the smoothed curve reached the threshold; the number of
            all epochs where it did not.
        reached: Whether it did.
        steps_per_second: Agent steps per second; ``nan`` where the run did not write them.
    """

    final: float
    area: float
    epochs_to_threshold: float
    reached: bool
    steps_per_second: float


def read_curve(run: SavedRun, metric: str) -> RunCurve:
    """Read the metric of a run.

    Raises:
        ConfigError: ``metrics.csv`` is missing, empty or broken, or has no such metric.
    """
    metrics = read_metrics(run)
    if metric not in metrics:
        raise ConfigError(unknown_name(f"{run.files.metrics} has no column", metric, metrics))
    if not np.isfinite(metrics[metric]).all():
        raise _broken(run.files.metrics, metric, metrics)
    return RunCurve(run, metrics[metric], metrics.get("steps"), metrics.get("seconds"))


def _broken(path: Path, metric: str, metrics: Mapping[str, np.ndarray]) -> ConfigError:
    epoch = int(np.flatnonzero(~np.isfinite(metrics[metric]))[0])
    return ConfigError(f"{path} is broken: no finite '{metric}' in epoch {epoch}")


def score_run(curve: RunCurve, n_epochs: int, threshold: float) -> RunScores:
    """Return a run's figures over its first epochs.

    Args:
        curve: Its values.
        n_epochs: How many epochs are looked at.
        threshold: For ``epochs_to_threshold``; the curve is smoothed over a twentieth of them.
    """
    values = curve.values[:n_epochs]
    # The first window ends where it is full: one lucky epoch at the start is no level reached.
    window = smoothing_window(n_epochs)
    above = np.flatnonzero(smooth(values, window)[window - 1 :] >= threshold)
    return RunScores(
        final=last_tenth_mean(values),
        area=float(values.mean()),
        epochs_to_threshold=float(above[0] + window) if above.size else float(n_epochs),
        reached=bool(above.size),
        steps_per_second=_speed(curve, n_epochs),
    )


def lowest_final(groups: Sequence[Sequence[RunCurve]], n_epochs: int) -> float:
    """Return the lowest of the groups' mean final values: a level that every group reaches."""
    return min(
        float(np.mean([last_tenth_mean(curve.values[:n_epochs]) for curve in group]))
        for group in groups
    )


def _speed(curve: RunCurve, n_epochs: int) -> float:
    if curve.steps is None or curve.seconds is None:
        return float("nan")
    seconds = float(curve.seconds[:n_epochs].sum())
    return float(curve.steps[n_epochs - 1]) / seconds if seconds > 0 else float("nan")
