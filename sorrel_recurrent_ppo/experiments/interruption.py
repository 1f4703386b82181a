"""Signal handling: the first Ctrl-C stops after the epoch, the second immediately."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["INTERRUPTED", "STOPPING", "RunStopped", "StopRequest", "stop_requests"]

INTERRUPTED = 130  # a shell's exit status for an interrupted program
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = "Stopping after this epoch, which will be saved; Ctrl-C again stops at once."


class RunStopped(KeyboardInterrupt):
    """A run has stopped between two epochs on request, and is saved.

    Attributes:
        epoch: The last completed epoch.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"stopped after epoch {epoch}")
        self.epoch = epoch


class StopRequest:
    """Signal handler that records a request to stop.

    Attributes:
        requested: Whether to stop after the current epoch.
        is_shown: Whether a live view shows the request.
    """

    def __init__(self) -> None:
        self.requested = False
        self.is_shown = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: It is the second signal.
        """
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if not self.is_shown:
            # Not through a stream: the signal may interrupt a write to it.
            os.write(2, f"\n{STOPPING}\n".encode())


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Treat SIGINT and SIGTERM in the block as requests to stop after the epoch.

    Outside the main thread, the only one that receives signals, nothing is installed.
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
