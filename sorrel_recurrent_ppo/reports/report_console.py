"""The console that the commands print tables to."""

from __future__ import annotations

from rich.console import Console

__all__ = ["report_console"]

MIN_WIDTH_OF_FILES = 100


def report_console() -> Console:
    """Return a console of the terminal's width, or of at least 100 columns in a file or pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, MIN_WIDTH_OF_FILES))
    return console
