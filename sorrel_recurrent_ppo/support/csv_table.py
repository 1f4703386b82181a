"""CSV files that gain rows, and occasionally columns, during a run."""

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

    A row may add columns (a model's diagnostics start with its first update). The file is then
    rewritten atomically with empty cells in the older rows, so that it is a complete CSV file at
    any time.

    Args:
        path: The file. An existing one is overwritten.
        columns: The initial columns.
        n_kept: The number of rows of an existing file to keep, for a resumed run.

    Raises:
        CheckpointError: The existing file has fewer than ``n_kept`` rows.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, n_kept: int = 0) -> None:
        self.path = path
        kept = self._first_rows(n_kept) if n_kept else []
        # Columns that only discarded rows have filled are added again by the rows to come.
        filled = (name for row in kept for name, cell in row.items() if cell)
        self.columns = list(dict.fromkeys([*columns, *filled]))
        rows = [{name: row.get(name, "") for name in self.columns} for row in kept]
        self._file = self._rewrite(self.columns, rows)

    def _first_rows(self, n_rows: int) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = list(itertools.islice(csv.DictReader(file), n_rows))
        if len(rows) < n_rows:
            raise CheckpointError(
                f"{self.path}: expected at least {n_rows} rows (from the run's state), "
                f"found {len(rows)}"
            )
        return rows

    def append(self, row: Mapping[str, object]) -> None:
        """Append a row; missing columns are left empty.

        Raises:
            OSError: The row could not be written; the file is unchanged.
        """
        new_columns = [name for name in row if name not in self.columns]
        if new_columns:
            with self.path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            columns = [*self.columns, *new_columns]
            older, self._file = self._file, self._rewrite(columns, rows)
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

    def _rewrite(self, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> io.FileIO:
        """Replace the file's content, and return it opened for appending."""
        write_table(self.path, columns, rows)
        return self.path.open("ab", buffering=0)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically; cells missing from a row are left empty."""
    with atomic_write(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Read a CSV file as arrays of text, one per column."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = reader.fieldnames or []
    return {name: np.array([row[name] for row in rows], dtype=str) for name in names}


def as_numbers(cells: np.ndarray) -> np.ndarray:
    """Return a column of text as floats, with ``nan`` for empty cells."""
    return np.array([float(cell or "nan") for cell in cells])
