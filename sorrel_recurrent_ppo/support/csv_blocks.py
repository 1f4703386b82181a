"""Columns of large CSV files, read in blocks of bounded memory."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["column_names", "read_blocks", "to_numbers", "to_text"]

type Block = dict[str, np.ndarray]

_BLOCK_SIZE = 4 << 20  # bytes
_BLOCK_ROWS = 20_000  # of files with quoted cells
_COMMA, _NEWLINE, _RETURN = b",\n\r"
_SHORTEST = 3  # characters per cell, for "nan"


def column_names(path: Path) -> list[str]:
    """Return the columns of a CSV file."""
    with path.open("rb") as file:
        return _split_line(file.readline())


def read_blocks(path: Path, names: Sequence[str] | None = None) -> Iterator[Block]:
    """Read a CSV file block by block.

    Args:
        path: The file.
        names: The columns to read; those that the file does not have are left out. ``None`` for
            all.

    Yields:
        The cells of consecutive rows as bytes, by column; shape ``(n_rows,)``.

    Raises:
        ValueError: A row has not as many cells as there are columns.
    """
    with path.open("rb") as file:
        columns = _split_line(file.readline())
        if not columns:
            raise ValueError("it has no columns")
        wanted = {
            n: columns.index(n) for n in (columns if names is None else names) if n in columns
        }
        rest, position = b"", file.tell()
        while data := file.read(_BLOCK_SIZE):
            data = rest + data
            end = data.rfind(b"\n") + 1
            data, rest = data[:end], data[end:]
            if not data:  # a line longer than a block
                continue
            block = _plain_block(data, len(columns), wanted)
            if block is None:
                file.seek(position)
                yield from _quoted_blocks(file, columns, wanted)
                return
            yield block
            position += end
        if rest:
            file.seek(position)
            yield from _quoted_blocks(file, columns, wanted)


def _split_line(line: bytes) -> list[str]:
    return next(csv.reader([line.decode("utf-8")]), [])


def _plain_block(data: bytes, n_columns: int, wanted: Mapping[str, int]) -> Block | None:
    """Split complete lines; return ``None`` if the cells are not simply between the commas."""
    buffer = np.frombuffer(data, np.uint8)
    separators = np.flatnonzero((buffer == _COMMA) | (buffer == _NEWLINE))
    if b'"' in data or len(separators) % n_columns:
        return None
    ends = separators.reshape(-1, n_columns)
    is_end = buffer[ends] == _NEWLINE
    if not is_end[:, -1].all() or is_end[:, :-1].any():
        return None
    block: Block = {}
    for name, k in wanted.items():
        before = ends[:, k - 1] if k else np.concatenate([[-1], ends[:-1, -1]])
        block[name] = _cells(buffer, before + 1, ends[:, k])
    return block


def _cells(buffer: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Gather the bytes between positions of a buffer."""
    ends = ends - ((ends > starts) & (buffer[ends - 1] == _RETURN))
    lengths = ends - starts
    width = max(_SHORTEST, int(lengths.max()))
    # The last cells may be shorter than the window that begins with them.
    padded = np.concatenate([buffer[starts[0] :], np.zeros(width, np.uint8)])
    windows = np.ndarray((len(padded) - width + 1,), f"S{width}", padded, strides=(1,))
    cells = windows[starts - starts[0]]
    cells.view(np.uint8).reshape(-1, width)[np.arange(width) >= lengths[:, None]] = 0
    return cells


def _quoted_blocks(
    lines: Iterable[bytes], columns: Sequence[str], wanted: Mapping[str, int]
) -> Iterator[Block]:
    """Read the rest of a file whose cells are quoted, or whose lines are empty or damaged."""
    reader = csv.reader(line.decode("utf-8") for line in lines)
    while rows := [row for row in itertools.islice(reader, _BLOCK_ROWS) if row]:
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"expected {len(columns)} cells in a row, found {len(row)}: {row}")
        yield {
            name: np.array([row[k].encode() for row in rows], dtype=bytes)
            for name, k in wanted.items()
        }


def to_numbers(cells: np.ndarray) -> np.ndarray:
    """Return cells as floats, with ``nan`` for empty ones.

    Raises:
        ValueError: A cell is not a number.
    """
    cells = cells.astype(f"S{max(_SHORTEST, cells.itemsize)}")
    return np.where(cells == b"", b"nan", cells).astype(np.float64)


def to_text(cells: np.ndarray) -> np.ndarray:
    """Return cells as text."""
    return np.char.decode(cells, "utf-8")
