"""The table and the CSV files of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from sorrel_recurrent_ppo.reports.comparison import Comparison
from sorrel_recurrent_ppo.reports.run_scores import SCORE_NAMES, RunScores
from sorrel_recurrent_ppo.support.csv_table import write_table
from sorrel_recurrent_ppo.support.statistics import Estimate
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["comparison_table", "write_groups", "write_runs"]


def comparison_table(comparison: Comparison) -> Table:
    """Return the table of a comparison for the console, with one row per group."""
    table = Table(
        title=f"{counted(comparison.n_epochs, 'epoch')}; interquartile mean [95 % interval]",
        title_justify="left",
    )
    table.add_column(comparison.by)
    for heading in (
        "seeds",
        f"final {comparison.metric}",
        "area / epochs",
        f"epochs to {comparison.threshold:.4g}",
        "steps/s",
    ):
        table.add_column(heading, justify="right")
    for group in comparison.groups:
        table.add_row(
            group.label,
            str(group.n_seeds),
            _cell(group.estimates.get("final")),
            _cell(group.estimates.get("area")),
            _epochs_cell(group.estimates["epochs_to_threshold"], group.scores),
            _cell(group.estimates.get("steps_per_second")),
        )
    return table


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.n_seeds == 1:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g}\n\\[{estimate.low:.4g}, {estimate.high:.4g}]"


def _epochs_cell(estimate: Estimate, scores: Sequence[RunScores]) -> str:
    n_reached = sum(score.reached for score in scores)
    if n_reached == 0:
        return "not reached"
    if n_reached == len(scores):
        return _cell(estimate)
    return f"\u2265 {_cell(estimate)}\nby {n_reached} of {len(scores)}"


def write_groups(comparison: Comparison, path: Path) -> None:
    """Write a CSV file with the estimates of each group."""
    columns = [f"{name}{suffix}" for name in SCORE_NAMES for suffix in ("", "_low", "_high")]
    rows = []
    for group in comparison.groups:
        row: dict[str, object] = {
            "group": group.label,
            "n_seeds": group.n_seeds,
            "n_epochs": comparison.n_epochs,
            "threshold": comparison.threshold,
        }
        for name, estimate in group.estimates.items():
            row[name] = float(estimate.value)
            row[f"{name}_low"], row[f"{name}_high"] = float(estimate.low), float(estimate.high)
        rows.append(row)
    write_table(path, ["group", "n_seeds", "n_epochs", "threshold", *columns], rows)


def write_runs(comparison: Comparison, path: Path) -> None:
    """Write a CSV file with the scores of each run."""
    rows = [
        {
            "group": group.label,
            "seed": curve.run.config.get("seed"),
            "run": curve.run.directory,
            "epochs_of_the_run": curve.n_epochs,
            **asdict(score),
        }
        for group in comparison.groups
        for curve, score in zip(group.curves, group.scores, strict=True)
    ]
    write_table(path, list(rows[0]), rows)
