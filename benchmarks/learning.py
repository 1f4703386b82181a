"""Measures what agents learn: ours, ours without memory, Sorrel's, sb3-contrib's, by task and seed.

    python benchmarks/learning.py treasurehunt --jobs 2
    python benchmarks/learning.py cue_recall-8 --models lstm_ppo --seeds 3 --set sequence_length=1
    python benchmarks/learning.py all

Every run leaves a file in the output directory and is not repeated while that file is there; so a
broken-off campaign goes on where it was, and further seeds or settings add to it. The summary and
a picture per task are made from all that the same command line names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from campaign import run_jobs
from curves import plot_curves, summarise
from machine import describe_machine
from records import Job, Record, read_record, record_path
from tasks import TASKS, Task, is_ours


def main() -> int:
    arguments = _parse_arguments()
    console = Console()
    names = list(TASKS) if "all" in arguments.tasks else arguments.tasks
    jobs = {name: _jobs(name, arguments) for name in names}
    failures = run_jobs(
        [job for of_task in jobs.values() for job in of_task],
        arguments.output,
        arguments.jobs,
        console,
    )
    for name in names:
        runs = _finished_runs(jobs[name], arguments.output)
        if runs:
            _report(name, TASKS[name], runs, arguments.output, console)
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


def _finished_runs(jobs: Sequence[Job], directory: Path) -> dict[str, list[Record]]:
    runs: dict[str, list[Record]] = {}
    for job in jobs:
        path = record_path(directory, job)
        if path.exists():
            runs.setdefault(job.variant, []).append(read_record(path))
    return runs


def _report(
    name: str,
    task: Task,
    runs: Mapping[str, Sequence[Record]],
    directory: Path,
    console: Console,
) -> None:
    summaries = {variant: summarise(task, records) for variant, records in runs.items()}
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
    console.print(table)
    console.print(f"{task.score}: {task.final_text}")
    content = {
        "task": name,
        "final": task.final_text,
        "machine": describe_machine(),
        "contestants": summaries,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    plot_curves(directory / f"{name}.png", name, task, runs)


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not key=value")
    return key, yaml.safe_load(value)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="+", choices=[*TASKS, "all"], metavar="TASK")
    parser.add_argument("--models", nargs="+", help="contestants to run, by name")
    parser.add_argument("--seeds", type=int, help="number of seeds, counted from 0")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--budget", type=int, help="epochs (Sorrel) or agent steps (gymnasium)")
    parser.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of our models in place of the packaged one; may be repeated",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/learning"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
