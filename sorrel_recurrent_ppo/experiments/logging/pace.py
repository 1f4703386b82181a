"""The speed of a run and its remaining time."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord

__all__ = ["Pace"]

RECENT_EPOCHS = 50


class Pace:
    """Remaining time and steps per second, estimated from the latest epochs.

    Args:
        last_epoch: The number of the run's last epoch; they are counted from 0.
    """

    def __init__(self, last_epoch: int) -> None:
        self.last_epoch = last_epoch
        self._epoch = -1
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT_EPOCHS)

    def add(self, record: EpochRecord) -> None:
        """Add an epoch; a resumed run starts at any epoch."""
        self._epoch = record.epoch
        self._recent.append((record.epoch_steps, record.seconds))

    @property
    def fps(self) -> float:
        """Agent steps per second; 0 before the first epoch."""
        seconds = sum(seconds for _, seconds in self._recent)
        return sum(steps for steps, _ in self._recent) / seconds if self._recent else 0.0

    @property
    def time_left(self) -> timedelta | None:
        """Time until the last epoch has been run, in whole seconds; None before the first."""
        if not self._recent:
            return None
        mean = sum(seconds for _, seconds in self._recent) / len(self._recent)
        return timedelta(seconds=round(mean * (self.last_epoch - self._epoch)))
