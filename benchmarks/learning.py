"""Measures what agents learn: ours, ours without memory, Sorrel's, sb3-contrib's, by task and seed.

    python benchmarks/learning.py treasurehunt --jobs 2
    python benchmarks/learning.py cue_recall-8 --models lstm_ppo --seeds 3 --set sequence_length=1
    python benchmarks/learning.py all

Every run leaves a file in the output directory and is not repeated while that file is there and the
packaged defaults are those it was run with; so a broken-off campaign goes on where it was, and
further seeds or settings add to it. The table and the summary tell of all runs that are there, the
picture of those that the command line names.
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
    """Print and write a summary of all runs there are, and draw those that were asked for."""
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
    asked = dict.fromkeys(job.variant for job in jobs if job.variant in records)
    plot_curves(directory / f"{group}.png", group, task, {name: records[name] for name in asked})


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
        raise argparse.ArgumentTypeError(f"'{text}' is not key=value")
    parsed = OmegaConf.from_dotlist([f"value={value}"])  # reads 1e-5 as a number, as Hydra does
    return key, OmegaConf.to_container(parsed, resolve=True)["value"]  # pyright: ignore


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
