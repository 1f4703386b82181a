"""Measure learning by task and seed, for this package's models, Sorrel's and sb3-contrib's.

    python benchmarks/learning.py treasurehunt --jobs 2
    python benchmarks/learning.py cue_recall-8 --models lstm_ppo --seeds 3 --set sequence_length=1
    python benchmarks/learning.py all

Every run writes a record into the output directory. A run is skipped if it has a record with the
current packaged defaults, so an interrupted campaign can be resumed and further seeds or settings
can be added. The table and the summary cover all records of a task, the plot only those selected on
the command line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from campaign import run_jobs
from curves import above_from, plot_curves, summarise
from machine import describe_machine
from records import Job, read_records
from tasks import TASKS, is_ours


def main() -> int:
    arguments = _parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    names = list(TASKS) if "all" in arguments.tasks else arguments.tasks
    jobs = {name: _jobs(name, arguments) for name in names}
    failures = run_jobs(
        [job for of_task in jobs.values() for job in of_task],
        arguments.output,
        arguments.jobs,
        console,
    )
    for name in names:
        _report(jobs[name], arguments.output, console)
    return 1 if failures else 0


def _jobs(name: str, arguments: argparse.Namespace) -> list[Job]:
    task = TASKS[name]
    settings = dict(arguments.settings)
    return [
        Job(
            task=name,
            contestant=contestant,
            seed=seed,
            budget=arguments.budget or task.budget,
            settings=settings if is_ours(contestant) else {},
        )
        for seed in range(arguments.seeds or task.seeds)
        for contestant in task.contestants
        if not arguments.models or contestant in arguments.models
    ]


def _report(jobs: Sequence[Job], directory: Path, console: Console) -> None:
    """Print and write a summary of all records, and plot the selected ones."""
    task, group = TASKS[jobs[0].task], jobs[0].group
    runs = read_records(directory, group)
    if not runs:
        return
    records = {variant: [record for _, record in found] for variant, found in runs.items()}
    summaries = {variant: summarise(task, found) for variant, found in records.items()}
    console.print(_table(group, summaries))
    console.print(f"{task.score}: {task.final_text}")
    others = [variant for variant, found in runs.items() if not is_ours(found[0][0].contestant)]
    content = {
        "runs": group,
        "final": task.final_text,
        "machine": describe_machine(),
        "contestants": summaries,
        "stays_above_from_step": {
            f"{ours} above {other}": above_from(records[ours], records[other])
            for ours in runs
            for other in others
            if ours not in others
        },
    }
    (directory / f"{group}.json").write_text(json.dumps(content, indent=1) + "\n")
    selected = dict.fromkeys(job.variant for job in jobs if job.variant in records)
    plot_curves(directory / f"{group}.png", group, task, {name: records[name] for name in selected})


def _table(name: str, summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("contestant", "seeds", "median", "quartiles", "s of training", title=name)
    for variant, summary in summaries.items():
        low, high = summary["iqr"]
        table.add_row(
            variant,
            str(len(summary["final"])),
            f"{summary['median']:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{summary['wall_seconds']:.0f}",
        )
    return table


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found '{text}'")
    parsed = OmegaConf.from_dotlist([f"value={value}"])  # parses 1e-5 as a number, as Hydra does
    return key, OmegaConf.to_container(parsed, resolve=True)["value"]  # pyright: ignore


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="+", choices=[*TASKS, "all"], metavar="TASK")
    parser.add_argument("--models", nargs="+", help="names of the contestants to run")
    parser.add_argument("--seeds", type=int, help="number of seeds, starting at 0")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of parallel runs")
    parser.add_argument("--budget", type=int, help="epochs (Sorrel) or agent steps (gymnasium)")
    parser.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a packaged setting of gru_ppo and lstm_ppo; may be repeated",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/learning"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
