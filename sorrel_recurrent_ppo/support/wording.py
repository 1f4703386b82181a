"""Numbers in messages."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 agent" and "2 agents"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
