"""What the throughput benchmark found: rows of figures, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from timing import spread

__all__ = ["Claim", "Figure", "Row", "print_report", "write_json"]


@dataclass(frozen=True)
class Figure:
    """Something measured.

    Attributes:
        name: What or who was measured.
        values: One number per round.
        unit: Unit of the numbers.
        settings: The settings with which it was measured.
    """

    name: str
    values: Sequence[float]
    unit: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """Something to reach.

    Attributes:
        text: What is compared.
        values: One number per round.
        bound: What the median is to be.
        sense: Whether the bound is from below or from above.
    """

    text: str
    values: Sequence[float]
    bound: float
    sense: Literal["at least", "at most"]

    @property
    def reached(self) -> bool:
        """Whether the median keeps the bound."""
        median = spread(self.values)["median"]
        return median >= self.bound if self.sense == "at least" else median <= self.bound


@dataclass(frozen=True)
class Row:
    """A row of the benchmark: figures side by side, and what is claimed of them."""

    name: str
    figures: Sequence[Figure]
    claims: Sequence[Claim] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def print_report(rows: Sequence[Row], console: Console) -> None:
    """Print the figures and, below them, what was to be reached."""
    figures = Table("row", "measured", "median", "lowest", "highest", "unit")
    claims = Table("row", "to reach", "bound", "median", "lowest", "highest", "reached")
    for row in rows:
        for figure in row.figures:
            figures.add_row(row.name, figure.name, *_cells(figure.values), figure.unit)
        figures.add_section()
        for claim in row.claims:
            bound = f"{claim.sense} {claim.bound:g}"
            verdict = "[green]yes[/]" if claim.reached else "[red]no[/]"
            claims.add_row(row.name, claim.text, bound, *_cells(claim.values), verdict)
    console.print(figures)
    for row in rows:
        for figure in row.figures:
            if figure.settings:
                values = ", ".join(f"{k}={v}" for k, v in figure.settings.items())
                console.print(f"{row.name}, {figure.name}: {values}", highlight=False)
    console.print(claims)


def write_json(path: Path, machine: Mapping[str, object], rows: Sequence[Row]) -> None:
    """Write everything that was measured, and on what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "rows": [_row_dict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "figures": [asdict(figure) | spread(figure.values) for figure in row.figures],
        "claims": [
            asdict(claim) | spread(claim.values) | {"reached": claim.reached}
            for claim in row.claims
        ],
        "notes": dict(row.notes),
    }


def _cells(values: Sequence[float]) -> list[str]:
    return [
        f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}"
        for number in spread(values).values()
    ]
