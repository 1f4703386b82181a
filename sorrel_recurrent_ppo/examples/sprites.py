"""Paths of the sprites that ship with Sorrel."""

from __future__ import annotations

from pathlib import Path

import sorrel

__all__ = ["sorrel_sprite"]


def sorrel_sprite(path: str) -> Path:
    """Return the absolute path of a sprite, given its path inside the ``sorrel`` package."""
    return Path(sorrel.__path__[0]) / path
