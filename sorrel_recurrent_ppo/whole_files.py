"""Files that are written whole or not at all, whatever happens to the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["synced", "written_whole"]


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Write a file beside its place, and put it there when it is complete.

    Args:
        path: The file; an older one stays as it is until the new one is complete.

    Yields:
        The path to write to in the block. After an error in the block nothing is left of it.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield unfinished
        synced(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Return when all that has been written to a file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
