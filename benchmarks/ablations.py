"""Ablations: the effect of single changes from the packaged defaults, over several seeds.

    python benchmarks/ablations.py                        # every change, on every task
    python benchmarks/ablations.py --only sequence_length burn_in --seeds 5

Records are stored and reused as in learning.py, in the same directory. For each task the table
shows medians over seeds of two means: over the whole learning curve, which measures the speed of
learning, and over its last tenth. The runs are short; learning.py measures final performance.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from campaign import run_jobs
from records import Job, Record, is_current, read_record, record_path
from tasks import TASKS, defaults_of

__all__ = ["CHANGES", "TASK_BUDGETS"]

MODEL = "lstm_ppo"
FULL_EPISODE = 200  # no episode of these tasks is longer
# Epochs, enough to measure the speed of learning.
TASK_BUDGETS = {"cue_recall-8": 60, "treasurehunt": 80}

# Changes that are not settings, then settings with the values to try.
CONTESTANTS = (
    "lstm_ppo, PyTorch's initialisation",
    "lstm_ppo, recurrent layer at a third of the rate",
)
CHANGES: dict[str, Sequence[Any]] = {
    "sequence_length": (1, 8, 16, 64),
    "burn_in": (8, FULL_EPISODE),  # the second recomputes every state with the current weights
    "epoch_end": ("terminal",),
    "reward_scaling": (False,),
    "clip_range": (0.1, 0.3),
    "clip_range_vf": (0.2,),
    "learning_rate": (3e-4, 3e-3),
    "learning_rate_end_factor": (1.0,),
    "rollout_length": (250, 1000),
    "n_epochs": (3, 8),
    "batch_size": (64, 256),
    "entropy_start": (0.001, 0.03),
    "previous_action_reward": (True,),
    "layer_norm": (True,),
    "gamma": (0.95, 0.99),
    "gae_lambda": (0.8, 0.95),
    "target_kl": (None, 0.01),
    "normalize_advantage": (True,),
}


def main() -> int:
    arguments = _parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    jobs = [
        replace(job, task=task, budget=TASK_BUDGETS[task], seed=seed)
        for seed in range(arguments.seeds)
        for task in arguments.tasks
        for job in _variants(arguments.only)
    ]
    failures = run_jobs(jobs, arguments.output, arguments.jobs, console)
    console.print(_table(jobs, arguments.output))
    return 1 if failures else 0


def _variants(only: Sequence[str] | None) -> list[Job]:
    """Return a job without a task for the defaults and for each selected change."""
    base = Job(task="", contestant=MODEL, seed=0, budget=0)
    settings = [
        replace(base, settings={name: value})
        for name, values in CHANGES.items()
        if not only or name in only
        for value in values
    ]
    others = [replace(base, contestant=name) for name in CONTESTANTS if not only or name in only]
    return [base, *settings, *others]


def _table(jobs: Sequence[Job], directory: Path) -> Table:
    """Return a table of the jobs that have records."""
    tasks = list(dict.fromkeys(job.task for job in jobs))
    found: dict[tuple[str, str], list[Record]] = {}
    for job in jobs:
        records = found.setdefault((job.variant, job.task), [])
        path = record_path(directory, job)
        if is_current(path, defaults_of(job.contestant)):
            records.append(read_record(path)[1])
    table = Table("change")
    for task in tasks:
        table.add_column(f"{task}: full curve")
        table.add_column("last tenth")
        table.add_column("seeds")
    for variant in dict.fromkeys(job.variant for job in jobs):
        cells = [cell for task in tasks for cell in _cells(task, found[variant, task])]
        table.add_row(variant, *cells)
    return table


def _cells(task: str, found: Sequence[Record]) -> list[str]:
    if not found:
        return ["", "", "0"]
    curve_mean = median(fmean(record.scores) for record in found)
    final = median(TASKS[task].final(record) for record in found)
    return [f"{curve_mean:.3g}", f"{final:.3g}", str(len(found))]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=list(TASK_BUDGETS), default=[*TASK_BUDGETS])
    parser.add_argument(
        "--only", nargs="+", choices=[*CHANGES, *CONTESTANTS], help="changes to try"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, starting at 0")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of parallel runs")
    parser.add_argument("--output", type=Path, default=Path("runs/learning"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
