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
STOPPING = "Stopping after this epoch, which will be saved; Ctrl-C again stops at once."

# SIGHUP, a closed terminal, does not exist on Windows, and SIGBREAK, a closed console, only there.
_HANGUP = "SIGHUP"
_SIGNALS = ("SIGINT", "SIGTERM", _HANGUP, "SIGBREAK")
_OUTPUTS = (1, 2)  # the descriptors of the standard output and of errors


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
        self._terminals = [descriptor for descriptor in _OUTPUTS if _is_terminal(descriptor)]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: It is the second signal, other than SIGHUP, which a shell may send
                again.
        """
        if number == getattr(signal, _HANGUP, None):
            self.requested = True
            self._discard_terminal_output()
            return
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if not self.is_shown:
            # Not through a stream: the signal may interrupt a write to it.
            os.write(2, f"\n{STOPPING}\n".encode())

    def _discard_terminal_output(self) -> None:
        """Send what is written to the closed terminal nowhere, since writing would fail."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in self._terminals:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:  # it is closed
        return False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Treat signals that end a process as requests to stop after the epoch, within the block.

    They are SIGINT, SIGTERM, SIGHUP and, on Windows, SIGBREAK. SIGHUP stays ignored where it is, as
    by ``nohup``. Outside the main thread, the only one that receives signals, nothing is installed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    former = {number: signal.signal(number, request) for number in _handled_signals()}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _handled_signals() -> list[signal.Signals]:
    numbers = {name: getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)}
    hangup = numbers.get(_HANGUP)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        del numbers[_HANGUP]
    return list(numbers.values())
