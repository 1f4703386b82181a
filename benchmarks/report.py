"""Results of the throughput benchmark, as a table and as JSON."""

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
    """A measured quantity.

    Attributes:
        name: Name of the quantity or contestant.
        values: One number per round.
        unit: Unit of the numbers.
        settings: The settings of the measurement.
    """

    name: str
    values: Sequence[float]
    unit: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A target for a measured quantity.

    Attributes:
        text: Description of the quantity.
        values: One number per round.
        bound: The bound of the median.
        sense: Whether the bound is a lower or an upper one.
    """

    text: str
    values: Sequence[float]
    bound: float
    sense: Literal["at least", "at most"]

    @property
    def reached(self) -> bool:
        """Whether the median satisfies the bound."""
        median = spread(self.values)["median"]
        return median >= self.bound if self.sense == "at least" else median <= self.bound


@dataclass(frozen=True)
class Row:
    """A row of the benchmark: measured figures, and the claims about them."""

    name: str
    figures: Sequence[Figure]
    claims: Sequence[Claim] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def print_report(rows: Sequence[Row], console: Console) -> None:
    """Print the figures, their settings and the claims."""
    figures = Table("row", "measured", "median", "lowest", "highest", "unit")
    claims = Table("row", "claim", "bound", "median", "lowest", "highest", "reached")
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
    """Write all figures and claims, and the machine's description."""
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
