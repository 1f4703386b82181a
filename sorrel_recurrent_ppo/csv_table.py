"""CSV files that grow while a run goes on, by rows and now and then by columns."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

__all__ = ["CsvTable", "as_numbers", "read_columns"]


class CsvTable:
    """A CSV file whose rows are on the disk as soon as they are appended.

    A row may bring columns that the file does not have yet (a model's diagnostics start with its
    first update): the file is then written anew beside itself and renamed, with empty cells in the
    older rows, so that at every moment it is a whole CSV file.

    Args:
        path: The file. An older one is overwritten.
        columns: The columns known from the start.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)
        self._write_anew([])

    def append(self, row: Mapping[str, object]) -> None:
        """Append a row; columns that it does not name stay empty."""
        new_columns = [name for name in row if name not in self.columns]
        if new_columns:
            self._file.close()
            with self.path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            self.columns += new_columns
            self._write_anew(rows)
        self._writer.writerow(row)
        self._file.flush()

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

    def _write_anew(self, rows: Sequence[Mapping[str, object]]) -> None:
        unfinished = self.path.with_name(self.path.name + ".tmp")
        with unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(unfinished, self.path)
        self._file = self.path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, self.columns)


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
