"""Where the sprites are that Sorrel ships with its own examples."""

from __future__ import annotations

from pathlib import Path

import sorrel

__all__ = ["sorrel_sprite"]


def sorrel_sprite(path: str) -> Path:
    """Return the file of a sprite of Sorrel's, by its path inside Sorrel's package."""
    return Path(sorrel.__path__[0]) / path
