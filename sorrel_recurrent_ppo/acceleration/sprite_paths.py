"""Paths of sprites, made once instead of for each new entity.

Sorrel's entities have ``self.sprite = Path(__file__).parent / "./assets/wall.png"`` in their
constructors. Paths are immutable, so all entities of a kind may have the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["PathFactory"]

_PlainPath = type(Path())  # of the system


class _Directory(_PlainPath):
    """A directory that makes each path in it once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._made: dict[str, Path] = {}

    def __truediv__(self, key: Any) -> Path:
        if type(key) is not str:
            return Path(self) / key
        if key not in self._made:
            self._made[key] = Path(self) / key
        return self._made[key]


class _File(_PlainPath):
    """A file that knows its directory."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._directory = _Directory(Path(path).parent)

    @property
    def parent(self) -> Path:
        return self._directory


class PathFactory:
    """``pathlib.Path`` in a module of Sorrel; remembers the module's own file."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def __call__(self, *segments: Any) -> Path:
        """Return a path, as ``Path`` does."""
        if len(segments) != 1 or type(segments[0]) is not str:
            return Path(*segments)
        name = segments[0]
        if name not in self._files:
            if not name.endswith(".py"):
                return Path(name)
            self._files[name] = _File(name)
        return self._files[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(Path, name)
