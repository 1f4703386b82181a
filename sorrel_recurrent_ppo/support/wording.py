"""Numbers in messages."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "ranges"]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 agent" and "2 agents"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ranges(names: Sequence[str]) -> str:
    """Return names with three or more consecutive numbers in one, such as "0-4, 7, elder"."""
    parts: list[list[str]] = []
    for name in names:
        follows = parts and name.isdecimal() and parts[-1][-1].isdecimal()
        if follows and int(name) == int(parts[-1][-1]) + 1:
            parts[-1].append(name)
        else:
            parts.append([name])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 2 else ", ".join(p) for p in parts)
