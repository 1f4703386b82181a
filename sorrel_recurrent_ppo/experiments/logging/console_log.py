"""A log handler compatible with a live display."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["StdoutHandler", "warnings_only"]


class StdoutHandler(logging.StreamHandler):
    """Writes to the current ``sys.stdout``.

    A live display replaces ``sys.stdout`` and prints its output above itself; a handler bound to
    the original stream would write into the display.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Accept and ignore the ``stream`` argument of a stream handler's configuration."""
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream to write to."""
        return sys.stdout


@contextmanager
def warnings_only() -> Iterator[None]:
    """Show only warnings and errors on the terminal within the block; files are unaffected."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, StdoutHandler)]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)
