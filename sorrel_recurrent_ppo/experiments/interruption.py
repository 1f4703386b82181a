"""Ctrl-C: the first asks a run to stop after the epoch, the second stops it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["INTERRUPTED", "RunStopped", "StopRequest", "stop_requests"]

INTERRUPTED = 130  # what a shell makes of an interrupted program
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTICE = b"\nStopping after this epoch, which is then saved; once more stops at once.\n"


class RunStopped(KeyboardInterrupt):
    """A run has stopped between two epochs, as it was asked to, and is saved.

    Attributes:
        epoch: The last epoch that it has done.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"stopped after epoch {epoch}")
        self.epoch = epoch


class StopRequest:
    """Whether the run has been asked to stop.

    Attributes:
        asked: Whether it is to stop after the running epoch.
    """

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal.

        Raises:
            KeyboardInterrupt: It is not the first.
        """
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # Not through a stream: the signal may have come in the middle of writing to it.
        os.write(2, _NOTICE)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Take SIGINT and SIGTERM in the block as requests to stop after the epoch.

    In other threads than the main one, which gets no signals, there are none.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    former = {number: signal.signal(number, request) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
