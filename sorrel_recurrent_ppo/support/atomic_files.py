"""Files that are written whole or not at all, whatever happens to the process or the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

__all__ = ["atomic_append", "atomic_write", "partial_path", "sync_file"]


def partial_path(path: Path) -> Path:
    """Return where a file is written before it is complete: partial its place, hidden."""
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file partial its place, and put it there when it is complete.

    Args:
        path: The file; an older one stays as it is until the new one is complete.

    Yields:
        The path to write to in the block. After an error in the block nothing is left of it.

    Raises:
        OSError: It could not be written; the error names ``path``.
    """
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        sync_file(partial)
        os.replace(partial, path)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def atomic_append(file: FileIO, data: bytes) -> None:
    """Append to a file all of the data or nothing.

    Args:
        file: Opened by its path for appending, without a buffer.
        data: What is to follow what the file has.

    Raises:
        OSError: It could not be written; the file is as it was, and the error names it.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        rest = memoryview(data)
        while rest:  # a disk may take a part, and refuse the next
            rest = rest[file.write(rest) :]
    except OSError as error:
        file.truncate(size)
        _name(error, Path(os.fsdecode(file.name)))
        raise


def _name(error: OSError, path: Path) -> None:
    """Let an error name a file: those of writing, unlike those of opening, name none."""
    error.filename, error.filename2 = str(path), None


def sync_file(path: Path) -> None:
    """Return when all that has been written to a file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
