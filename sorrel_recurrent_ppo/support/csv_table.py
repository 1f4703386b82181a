"""CSV files that grow while a run goes on, by rows and now and then by columns."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.support.atomic_files import atomic_append, atomic_write

__all__ = ["CsvTable", "as_numbers", "read_columns", "write_table"]


class CsvTable:
    """A CSV file whose rows are on the disk as soon as they are appended.

    A row may bring columns that the file does not have yet (a model's diagnostics start with its
    first update): the file is then written anew beside itself and renamed, with empty cells in the
    older rows, so that at every moment it is a whole CSV file.

    Args:
        path: The file. An older one is overwritten.
        columns: The columns known from the start.
        n_kept: So many rows of the older file are kept, to go on after them.

    Raises:
        CheckpointError: The older file has fewer rows than are to be kept.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, n_kept: int = 0) -> None:
        self.path = path
        kept = self._first_rows(n_kept) if n_kept else []
        # Columns that came with later rows will come again.
        filled = (name for row in kept for name, cell in row.items() if cell)
        self.columns = list(dict.fromkeys([*columns, *filled]))
        rows = [{name: row.get(name, "") for name in self.columns} for row in kept]
        self._file = self._written_anew(self.columns, rows)

    def _first_rows(self, n_rows: int) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = list(itertools.islice(csv.DictReader(file), n_rows))
        if len(rows) < n_rows:
            raise CheckpointError(
                f"{self.path} has {len(rows)} rows; the run's state was saved after {n_rows}"
            )
        return rows

    def append(self, row: Mapping[str, object]) -> None:
        """Append a row; columns that it does not name stay empty.

        Raises:
            OSError: The row could not be written; the file is as it was.
        """
        new_columns = [name for name in row if name not in self.columns]
        if new_columns:
            with self.path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            columns = [*self.columns, *new_columns]
            older, self._file = self._file, self._written_anew(columns, rows)
            older.close()
            self.columns = columns
        text = io.StringIO(newline="")
        csv.DictWriter(text, self.columns).writerow(row)
        atomic_append(self._file, text.getvalue().encode())

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

    def _written_anew(
        self, columns: Sequence[str], rows: Sequence[Mapping[str, object]]
    ) -> io.FileIO:
        """Write the whole file, and return it opened for what follows."""
        write_table(self.path, columns, rows)
        return self.path.open("ab", buffering=0)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file, whole or not at all; what a row does not name stays empty there."""
    with atomic_write(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Read a CSV file as arrays of text, one per column of its header."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = reader.fieldnames or []
    return {name: np.array([row[name] for row in rows], dtype=str) for name in names}


def as_numbers(cells: np.ndarray) -> np.ndarray:
    """Return a column of text as floats, ``nan`` where a cell is empty."""
    return np.array([float(cell or "nan") for cell in cells])
