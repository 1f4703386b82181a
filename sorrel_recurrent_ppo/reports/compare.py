"""``sorrel-recurrent-ppo compare``: runs over seeds, as a table, CSV files and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np
from rich.table import Table

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.comparison import RunGroup, find_differences, group_runs
from sorrel_recurrent_ppo.reports.comparison_plot import PlottedGroup, plot_comparison
from sorrel_recurrent_ppo.reports.report_console import report_console
from sorrel_recurrent_ppo.reports.run_scores import (
    RunCurve,
    RunScores,
    lowest_final,
    read_curve,
    score_run,
)
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, find_runs
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_arguments,
    setting,
    wants_help,
)
from sorrel_recurrent_ppo.support.csv_table import write_table
from sorrel_recurrent_ppo.support.statistics import Estimate, interquartile_mean

__all__ = ["CompareSettings", "Comparison", "compare_runs", "main"]

HELP = CommandHelp(
    "compare",
    "RUN_DIR...",
    "Compares runs over their seeds: interquartile means with 95 % bootstrap intervals, as a\n"
    "table, as CSV files and as a picture. A RUN_DIR is a run's directory or one that holds runs,\n"
    "such as a sweep's. Runs whose environments differ are refused.",
    (
        "sorrel-recurrent-ppo compare runs/sweeps/2026-01-31_12-00-00",
        "sorrel-recurrent-ppo compare runs/treasurehunt by=model,model.lstm_ppo.hidden_size",
    ),
)


MAX_OBJECTIONS = 5


@dataclass
class CompareSettings:
    """What can be set."""

    by: str = setting("model", "what tells groups apart: model, or config keys, with commas")
    metric: str = setting("reward", "the compared column of metrics.csv")
    threshold: float | None = setting(
        None, "level that epochs are counted to; null: the lowest final value of a group"
    )
    output: str | None = setting(
        None, "directory of the results; null: comparison, in RUN_DIR or, of several, here"
    )
    force: bool = setting(False, "compare in spite of differing configs or repeated seeds")


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to.

    Attributes:
        groups: The groups.
        curves: The curves of each group's runs.
        scores: The figures of each group's runs.
        estimates: Of each group, the estimate of each field of `RunScores` by name.
        n_epochs: Epochs that were compared, those of the shortest run.
        threshold: The level that epochs were counted to.
        notes: What the user should know, one sentence each.
    """

    groups: list[RunGroup]
    curves: list[list[RunCurve]]
    scores: list[list[RunScores]]
    estimates: list[dict[str, Estimate]]
    n_epochs: int
    threshold: float
    notes: list[str]


def main(arguments: Sequence[str]) -> None:
    """Run the command on its arguments.

    Raises:
        ConfigError: An argument is at fault, or the runs cannot be compared.
    """
    if wants_help(arguments):
        print(HELP.text(CompareSettings))
        return
    paths, settings = parse_arguments(arguments, CompareSettings)
    if not paths:
        raise ConfigError("name the directories of runs, or one that holds them (--help says more)")
    comparison = compare_runs(find_runs(paths), settings)
    default = paths[0] / "comparison" if len(paths) == 1 else Path("comparison")
    output = default if settings.output is None else Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    console = report_console()
    for note in comparison.notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print(_table(comparison, settings))
    _write_files(comparison, settings, output)
    console.print(
        f"Files in {output}: comparison.png, comparison.csv, runs.csv", markup=False, soft_wrap=True
    )


def compare_runs(runs: Sequence[SavedRun], settings: CompareSettings) -> Comparison:
    """Group runs and estimate each group's figures over its seeds.

    Args:
        runs: The runs. Those that cannot be read are left out, and a note names them.
        settings: What was set.

    Raises:
        ConfigError: No run can be read, or they differ where they should not; it says where.
    """
    keys = [key.strip() for key in settings.by.split(",") if key.strip()]
    if not keys:
        raise ConfigError("by=... needs at least one key, such as by=model")
    curves, notes = _readable(runs, settings.metric)
    groups = group_runs([curve.run for curve in curves], keys)
    notes += _objections(groups, keys, force=settings.force)
    by_directory = {curve.run.directory: curve for curve in curves}
    grouped = [[by_directory[run.directory] for run in group.runs] for group in groups]
    n_epochs, note = _common_length(curves)
    notes += note
    threshold = settings.threshold
    if threshold is None:
        threshold = lowest_final(grouped, n_epochs)
    scores = [[score_run(curve, n_epochs, threshold) for curve in group] for group in grouped]
    estimates = [_estimates(group) for group in scores]
    return Comparison(groups, grouped, scores, estimates, n_epochs, threshold, notes)


def _readable(runs: Sequence[SavedRun], metric: str) -> tuple[list[RunCurve], list[str]]:
    curves: list[RunCurve] = []
    reasons: list[str] = []
    for run in runs:
        try:
            run.model_names  # noqa: B018 - a run without a config can be read no more than one without metrics
            curves.append(read_curve(run, metric))
        except ConfigError as error:
            reasons.append(str(error))
    if not curves:
        raise ConfigError("no run can be compared: " + "; ".join(reasons))
    return curves, [f"Left out: {reason}." for reason in reasons]


def _objections(groups: Sequence[RunGroup], keys: Sequence[str], *, force: bool) -> list[str]:
    """Return what speaks against the comparison, as notes if it is forced.

    Raises:
        ConfigError: Something does, and it is not forced.
    """
    found = [str(difference) for difference in find_differences(groups, keys)]
    found = found or _repeated_seeds(groups)  # runs that differ may well share a seed
    if len(found) > MAX_OBJECTIONS:
        found[MAX_OBJECTIONS:] = [f"and {len(found) - MAX_OBJECTIONS} more"]
    if found and not force:
        advice = "group by a key with by=..., or compare all the same with force=true"
        raise ConfigError(f"these runs do not compare: {'; '.join(found)} ({advice})")
    return [f"Compared all the same: {'; '.join(found)}."] if found else []


def _repeated_seeds(groups: Sequence[RunGroup]) -> list[str]:
    found: list[str] = []
    for group in groups:
        seeds: dict[object, SavedRun] = {}
        for run in group.runs:
            seed = run.config.get("seed")
            if seed is not None and seed in seeds:
                places = f"{seeds[seed].directory} and in {run.directory}"
                found.append(f"seed {seed} of {group.label} is in {places}")
            seeds[seed] = run
    return found


def _common_length(curves: Sequence[RunCurve]) -> tuple[int, list[str]]:
    shortest, longest = (choose(curves, key=lambda curve: curve.n_epochs) for choose in (min, max))
    if shortest.n_epochs == longest.n_epochs:
        return shortest.n_epochs, []
    note = (
        f"Compared over the first {shortest.n_epochs} epochs, all that the shortest run has, "
        f"{shortest.run.directory}; the longest has {longest.n_epochs}."
    )
    return shortest.n_epochs, [note]


def _estimates(scores: Sequence[RunScores]) -> dict[str, Estimate]:
    columns = np.array([astuple(score) for score in scores], dtype=float).T
    names = _names(RunScores)
    return {
        name: interquartile_mean(column)
        for name, column in zip(names, columns, strict=True)
        if np.isfinite(column).all()  # old runs have no speed
    }


# --- what is shown and written ---


def _table(comparison: Comparison, settings: CompareSettings) -> Table:
    table = Table(
        title=f"{comparison.n_epochs} epochs; interquartile mean [95 % interval]",
        title_justify="left",
    )
    table.add_column(settings.by)
    for heading in (
        "seeds",
        f"final {settings.metric}",
        "area / epochs",
        f"epochs to {comparison.threshold:.4g}",
        "steps/s",
    ):
        table.add_column(heading, justify="right")
    for group, scores, found in zip(
        comparison.groups, comparison.scores, comparison.estimates, strict=True
    ):
        table.add_row(
            group.label,
            str(len(group.runs)),
            _cell(found.get("final")),
            _cell(found.get("area")),
            _epochs_cell(found["epochs_to_threshold"], scores),
            _cell(found.get("steps_per_second")),
        )
    return table


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.n_seeds == 1:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g}\n\\[{estimate.low:.4g}, {estimate.high:.4g}]"


def _epochs_cell(estimate: Estimate, scores: Sequence[RunScores]) -> str:
    reached = sum(score.reached for score in scores)
    if reached == 0:
        return "not reached"
    if reached == len(scores):
        return _cell(estimate)
    return f"\u2265 {_cell(estimate)}\nby {reached} of {len(scores)}"


def _write_files(comparison: Comparison, settings: CompareSettings, output: Path) -> None:
    _write_groups(comparison, output / "comparison.csv")
    _write_runs(comparison, output / "runs.csv")
    plotted = [
        PlottedGroup(
            group.label,
            np.array([curve.values[: comparison.n_epochs] for curve in curves]),
            np.array([score.final for score in scores]),
            found["final"],
        )
        for group, curves, scores, found in zip(
            comparison.groups,
            comparison.curves,
            comparison.scores,
            comparison.estimates,
            strict=True,
        )
    ]
    environment = comparison.groups[0].runs[0].config.get("environment") or {}
    plot_comparison(
        output / "comparison.png",
        plotted,
        metric=settings.metric,
        title=str(environment.get("name", "runs")),
    )


def _write_groups(comparison: Comparison, path: Path) -> None:
    names = _names(RunScores)
    columns = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    rows = []
    for group, found in zip(comparison.groups, comparison.estimates, strict=True):
        row: dict[str, object] = {
            "group": group.label,
            "n_seeds": len(group.runs),
            "n_epochs": comparison.n_epochs,
            "threshold": comparison.threshold,
        }
        for name, estimate in found.items():
            row[name] = float(estimate.value)
            row[f"{name}_low"], row[f"{name}_high"] = float(estimate.low), float(estimate.high)
        rows.append(row)
    write_table(path, ["group", "n_seeds", "n_epochs", "threshold", *columns], rows)


def _write_runs(comparison: Comparison, path: Path) -> None:
    rows = [
        {
            "group": group.label,
            "seed": curve.run.config.get("seed"),
            "run": curve.run.directory,
            "epochs_of_the_run": curve.n_epochs,
            **asdict(score),
        }
        for group, curves, scores in zip(
            comparison.groups, comparison.curves, comparison.scores, strict=True
        )
        for curve, score in zip(curves, scores, strict=True)
    ]
    write_table(path, list(rows[0]), rows)


def _names(cls: type[RunScores]) -> list[str]:
    return [field.name for field in fields(cls)]
