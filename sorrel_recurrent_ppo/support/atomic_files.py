"""Atomic file operations: after a crash or a full disk, a file has its old or its new content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

__all__ = ["atomic_append", "atomic_write", "partial_path", "sync_file"]


def partial_path(path: Path) -> Path:
    """Return the hidden file next to ``path`` that receives its content until it is complete."""
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it on success.

    Args:
        path: The file; an existing one is kept until the new content is complete. Missing parent
            directories are created.

    Yields:
        The path to write to. It is removed if the block raises.

    Raises:
        OSError: The file could not be written; the error names ``path``.
    """
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        sync_file(partial)
        os.replace(partial, path)
    except OSError as error:
        _set_filename(error, path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def atomic_append(file: FileIO, data: bytes) -> None:
    """Append all of ``data`` to a file, or nothing.

    Args:
        file: Opened by path for appending, unbuffered.
        data: The bytes to append.

    Raises:
        OSError: The data could not be written; the file is unchanged, and the error names it.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        rest = memoryview(data)
        while rest:  # a nearly full disk may accept a part of a write
            rest = rest[file.write(rest) :]
    except OSError as error:
        file.truncate(size)
        _set_filename(error, Path(os.fsdecode(file.name)))
        raise


def _set_filename(error: OSError, path: Path) -> None:
    """Set the file name of an error: errors of writing, unlike those of opening, have none."""
    error.filename, error.filename2 = str(path), None


def sync_file(path: Path) -> None:
    """Flush a file's content from the operating system's cache to the disk.

    Windows refuses this for a descriptor that only reads.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
