"""CSV files that gain rows, and occasionally columns, during a run."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.support.atomic_files import atomic_append, atomic_write

__all__ = ["CsvTable", "TablePosition", "as_numbers", "read_columns", "write_table"]


@dataclass(frozen=True)
class TablePosition:
    """The end of a table at some time, to which a resumed run returns.

    Attributes:
        n_rows: The number of rows.
        columns: The columns; ``None`` if not known.
        size: The size of the file in bytes; ``None`` if not known.
    """

    n_rows: int
    columns: Sequence[str] | None = None
    size: int | None = None


class CsvTable:
    """A CSV file whose rows are on the disk as soon as they are appended.

    A row may add columns (a model's diagnostics start with its first update). The file is then
    rewritten atomically with empty cells in the older rows, so that it is a complete CSV file at
    any time.

    Args:
        path: The file. An existing one is overwritten.
        columns: The initial columns.
        kept: The part of an existing file to keep, for a resumed run. With its size, the file is
            truncated there without being read; without, or after columns were added or the file
            was edited, the rows are copied.

    Attributes:
        columns: The present columns.

    Raises:
        CheckpointError: The existing file has fewer rows than ``kept``, or lacks a column.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], *, kept: TablePosition | None = None
    ) -> None:
        self.path = path
        self._n_rows = 0 if kept is None else kept.n_rows
        if kept is None or not kept.n_rows:
            self.columns = list(columns)
            write_table(path, self.columns, [])
        elif kept.size is not None and kept.columns is not None and _ends_a_row(path, kept):
            self.columns = list(kept.columns)
            with path.open("r+b") as file:
                file.truncate(kept.size)
        else:
            self.columns = _columns_to_keep(path, columns, kept)
            _copy_rows(path, self.columns, n_rows=kept.n_rows)
        self._file = self._open()

    @property
    def position(self) -> TablePosition:
        """The present end of the table."""
        return TablePosition(self._n_rows, list(self.columns), self.path.stat().st_size)

    def append(self, row: Mapping[str, object]) -> None:
        """Append a row; missing columns are left empty.

        Raises:
            OSError: The row could not be written; the file is unchanged.
        """
        new_columns = [name for name in row if name not in self.columns]
        if new_columns:
            self._add_columns(new_columns)
        text = io.StringIO(newline="")
        csv.DictWriter(text, self.columns).writerow(row)
        atomic_append(self._file, text.getvalue().encode())
        self._n_rows += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _add_columns(self, names: Sequence[str]) -> None:
        columns = [*self.columns, *names]
        self._file.close()  # an open file cannot be replaced on Windows
        try:
            _copy_rows(self.path, columns)
            self.columns = columns
        finally:
            self._file = self._open()

    def _open(self) -> io.FileIO:
        return self.path.open("ab", buffering=0)


def _ends_a_row(path: Path, kept: TablePosition) -> bool:
    """Return whether a file has the columns of a position, and a row that ends there."""
    assert kept.size is not None
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.readline().decode(errors="replace")
        file.seek(kept.size - 1)
        end = file.read(1)
    return next(csv.reader([header]), []) == kept.columns and end == b"\n"


def _columns_to_keep(path: Path, initial: Sequence[str], kept: TablePosition) -> list[str]:
    """Return the columns of the rows to keep, after counting these rows.

    Raises:
        CheckpointError: Rows or columns are missing.
    """
    n_found, filled = 0, dict[str, None]()
    if path.exists():
        with _rows(path) as (_, rows):
            for row in itertools.islice(rows, kept.n_rows):
                # Columns that only discarded rows have filled are added again by the rows to come.
                filled.update((name, None) for name, cell in row.items() if cell)
                n_found += 1
    if n_found < kept.n_rows:
        raise CheckpointError(
            f"{path}: expected at least {kept.n_rows} rows (from the run's state), found {n_found}"
        )
    if kept.columns is None:
        return list(dict.fromkeys([*initial, *filled]))
    if unknown := [name for name in filled if name not in kept.columns]:
        raise CheckpointError(
            f"{path}: expected the columns {', '.join(kept.columns)} (from the run's state), found "
            f"{unknown[0]!r}"
        )
    return list(kept.columns)


def _copy_rows(path: Path, columns: Sequence[str], *, n_rows: int | None = None) -> None:
    """Rewrite a file atomically with the first rows and other columns."""
    with atomic_write(path) as partial, _rows(path) as (_, rows):
        kept = itertools.islice(rows, n_rows)
        _write(partial, columns, ({name: row.get(name, "") for name in columns} for row in kept))


@contextmanager
def _rows(path: Path) -> Iterator[tuple[Sequence[str], Iterator[dict[str, str]]]]:
    """Open a CSV file; yield its columns, and its rows one by one."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        yield reader.fieldnames or [], reader


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically; cells missing from a row are left empty."""
    with atomic_write(path) as partial:
        _write(partial, columns, rows)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Read a CSV file as arrays of text, one per column."""
    with _rows(path) as (names, reader):
        rows = list(reader)
    return {name: np.array([row[name] for row in rows], dtype=str) for name in names}


def as_numbers(cells: np.ndarray) -> np.ndarray:
    """Return a column of text as floats, with ``nan`` for empty cells."""
    return np.array([float(cell or "nan") for cell in cells])
