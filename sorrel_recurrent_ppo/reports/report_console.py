"""Where the commands print their tables."""

from __future__ import annotations

from rich.console import Console

__all__ = ["report_console"]

WIDTH_ELSEWHERE = 100


def report_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for a table in a file or pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, WIDTH_ELSEWHERE))
    return console
