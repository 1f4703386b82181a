"""A log handler that gets along with a live display."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["StdoutHandler", "warnings_only"]


class StdoutHandler(logging.StreamHandler):
    """Writes to what ``sys.stdout`` is at the moment.

    A live display on the terminal puts itself in the place of ``sys.stdout`` and prints what is
    written there above itself; a handler that remembers the stream from before would write into
    the display.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Take the argument that the configuration of a stream handler has, and do without it."""
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream to write to."""
        return sys.stdout


@contextmanager
def warnings_only() -> Iterator[None]:
    """Keep what is no warning off the terminal for the time of the block; files get it still."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, StdoutHandler)]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)
