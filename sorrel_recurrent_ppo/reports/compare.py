"""The command ``sorrel-recurrent-ppo compare``: compare runs over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.comparison import Comparison, compare_runs
from sorrel_recurrent_ppo.reports.comparison_output import (
    comparison_table,
    write_groups,
    write_runs,
)
from sorrel_recurrent_ppo.reports.comparison_plot import plot_comparison
from sorrel_recurrent_ppo.reports.report_console import report_console
from sorrel_recurrent_ppo.reports.saved_runs import find_runs
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_arguments,
    setting,
    wants_help,
)

__all__ = ["main"]

HELP = CommandHelp(
    "compare",
    "RUN_DIR...",
    "Compare runs over seeds: interquartile means with 95 % bootstrap intervals, as a table, CSV\n"
    "files and a plot. A RUN_DIR is the directory of a run, or one that contains runs, such as\n"
    "that of a sweep. Runs in different environments are not compared.",
    (
        "sorrel-recurrent-ppo compare runs/sweeps/2026-01-31_12-00-00",
        "sorrel-recurrent-ppo compare runs/treasurehunt by=model,model.lstm_ppo.hidden_size",
    ),
)


@dataclass
class _Settings:
    by: str = setting("model", "grouping: model, or config keys separated by commas")
    metric: str = setting("reward", "column of metrics.csv to compare")
    threshold: float | None = setting(
        None, "level to count epochs to; null: the lowest mean final value of a group"
    )
    output: str | None = setting(
        None, "output directory; null: RUN_DIR/comparison, or ./comparison for several RUN_DIRs"
    )
    force: bool = setting(False, "compare despite differing configs or repeated seeds")


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Args:
        arguments: The arguments after the command's name.

    Raises:
        ConfigError: An argument is invalid, or the runs are not comparable.
    """
    if wants_help(arguments):
        print(HELP.text(_Settings))
        return
    paths, settings = parse_arguments(arguments, _Settings)
    if not paths:
        raise ConfigError("expected the directory of at least one run (see --help)")
    comparison = compare_runs(
        find_runs(paths),
        by=settings.by,
        metric=settings.metric,
        threshold=settings.threshold,
        force=settings.force,
    )
    default = paths[0] / "comparison" if len(paths) == 1 else Path("comparison")
    output = default if settings.output is None else Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    console = report_console()
    for note in comparison.notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print(comparison_table(comparison))
    _write_files(comparison, output)
    console.print(
        f"Files in {output}: comparison.png, comparison.csv, runs.csv", markup=False, soft_wrap=True
    )


def _write_files(comparison: Comparison, output: Path) -> None:
    write_groups(comparison, output / "comparison.csv")
    write_runs(comparison, output / "runs.csv")
    environment = comparison.groups[0].curves[0].run.config.get("environment") or {}
    title = str(environment.get("name", "runs"))
    plot_comparison(comparison, output / "comparison.png", title=title)
