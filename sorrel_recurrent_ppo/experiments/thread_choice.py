"""The choice between sequential and parallel training, by the time of a run's first updates."""

from __future__ import annotations

import logging
from statistics import median

__all__ = ["ThreadChoice"]

log = logging.getLogger(__name__)

_N_SAMPLES = 3  # epochs with updates, of each way
_WORTHWHILE = 0.9  # of the time of sequential training: below, threads are used


class ThreadChoice:
    """Tries both ways of training in turn, then keeps the faster one.

    The results are the same either way, so the choice may differ from one run to the next.

    Attributes:
        is_parallel: Whether the models train in parallel in the current epoch.
        is_made: Whether the choice is made.
    """

    def __init__(self, n_threads: int) -> None:
        self.is_parallel = False
        self.is_made = False
        self._n_threads = n_threads
        self._is_first = True  # the first updates include the libraries' own preparations
        self._samples: dict[bool, list[float]] = {False: [], True: []}
        self._seconds, self._n_updates = 0.0, 0

    def add(self, seconds: float, n_updates: int) -> None:
        """Add the time that a call of ``train_step`` took, and its number of updates."""
        self._seconds += seconds
        self._n_updates += n_updates

    def begin_epoch(self) -> None:
        """Evaluate the epoch before, and choose how the models train in the next."""
        seconds, n_updates = self._seconds, self._n_updates
        self._seconds, self._n_updates = 0.0, 0
        if self.is_made or n_updates < 2:  # a single model trains as fast either way
            return
        if self._is_first:
            self._is_first = False
            return
        self._samples[self.is_parallel].append(seconds / n_updates)
        if min(map(len, self._samples.values())) < _N_SAMPLES:
            self.is_parallel = not self.is_parallel
            return
        sequential, parallel = (median(self._samples[key]) for key in (False, True))
        self.is_parallel = parallel < _WORTHWHILE * sequential
        self.is_made = True
        log.info(
            "Models train %s: an update takes %.1f ms on one thread, %.1f ms on %d",
            *("in parallel" if self.is_parallel else "one after another", 1e3 * sequential),
            *(1e3 * parallel, self._n_threads),
        )
