"""A metric over the epochs of a run, with a value for each epoch or each period of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.support.csv_blocks import column_names, read_blocks, to_numbers

__all__ = ["EpochCurve", "read_metrics_file", "read_reward_curve"]


@dataclass(frozen=True)
class EpochCurve:
    """Values of consecutive epochs, or means over several of them.

    Attributes:
        epochs: The last epoch of each value; shape ``(n_values,)``, ascending.
        counts: The number of epochs of each value.
        values: The values; shape ``(n_values,)``.
    """

    epochs: np.ndarray
    counts: np.ndarray
    values: np.ndarray

    @cached_property
    def n_epochs(self) -> int:
        """The number of epochs."""
        return int(self.counts.sum())

    @cached_property
    def _ends(self) -> np.ndarray:
        """The number of epochs up to and with each value."""
        return np.cumsum(self.counts).astype(np.int64)

    def first(self, n_epochs: int) -> Self:
        """Return the curve of the first epochs; a value beyond them counts for those it covers."""
        n_values = int(np.searchsorted(self._ends, n_epochs)) + 1
        epochs, counts = self.epochs[:n_values].copy(), self.counts[:n_values].copy()
        surplus = max(0, int(counts.sum()) - n_epochs)
        epochs[-1:] -= surplus
        counts[-1:] -= surplus
        return replace(self, epochs=epochs, counts=counts, values=self.values[:n_values])

    def mean(self, first: int, end: int) -> float:
        """Return the mean over the epochs from ``first`` until before ``end``."""
        starts = self._ends - self.counts
        overlap = np.minimum(self._ends, end) - np.maximum(starts, first)
        inside = overlap > 0
        values, weights = self.values[inside], overlap[inside]
        if (weights == weights[0]).all():
            return float(values.mean())
        return float(np.average(values, weights=weights))

    @property
    def first_tenth_mean(self) -> float:
        """The mean of the first tenth of the epochs, at least of one."""
        return self.mean(0, max(1, self.n_epochs // 10))

    @property
    def last_tenth_mean(self) -> float:
        """The mean of the last tenth of the epochs, at least of one: a run's final value."""
        return self.mean(self.n_epochs - max(1, self.n_epochs // 10), self.n_epochs)

    def smoothed(self, window: int, at: np.ndarray | None = None) -> np.ndarray:
        """Return the means over up to ``window`` epochs.

        Args:
            window: Number of epochs.
            at: The numbers, from 0, of the last epochs of the means; those of the values by
                default.
        """
        sums = np.cumsum(np.concatenate([[0.0], self.values * self.counts]))
        knots = np.concatenate([[0], self._ends])
        ends = self._ends if at is None else np.asarray(at) + 1
        starts = np.maximum(ends - window, 0)
        return (np.interp(ends, knots, sums) - np.interp(starts, knots, sums)) / (ends - starts)

    def first_epoch_at_least(self, threshold: float, window: int) -> int | None:
        """Return the number of epochs until the smoothed curve reaches a threshold.

        Only full windows count: one lucky epoch at the start does not reach it.

        Returns:
            The number, or ``None`` if the curve does not reach it.
        """
        reached = (self._ends >= window) & (self.smoothed(window) >= threshold)
        return int(self._ends[reached][0]) if reached.any() else None


def read_metrics_file(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read columns of ``metrics.csv`` as numbers.

    Args:
        path: The file.
        names: The columns, if the file has them, besides ``epoch``, ``epochs`` and ``reward``;
            ``None`` for all.

    Returns:
        The columns by name. ``epochs``, the number of epochs of each row, is always among them.

    Raises:
        ConfigError: The file has no epochs, or is damaged.
    """
    wanted = None if names is None else list(dict.fromkeys(["epoch", "epochs", "reward", *names]))
    parts: dict[str, list[np.ndarray]] = {}
    try:
        if not {"epoch", "reward"} <= set(column_names(path)):
            raise ConfigError(f"{path} is empty or damaged: it has no columns 'epoch' and 'reward'")
        for block in read_blocks(path, wanted):
            for name, cells in block.items():
                parts.setdefault(name, []).append(to_numbers(cells))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from error
    if not parts:
        raise ConfigError(f"{path} has no epochs")
    metrics = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    metrics.setdefault("epochs", np.ones(len(metrics["epoch"])))
    return metrics


def read_reward_curve(path: Path) -> EpochCurve:
    """Read the total reward in ``metrics.csv``; raise as `read_metrics_file`."""
    metrics = read_metrics_file(path, [])
    return EpochCurve(metrics["epoch"], metrics["epochs"], metrics["reward"])
