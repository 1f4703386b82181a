"""Measure and plot success in cue_recall against the length of the corridor.

    python benchmarks/memory_distance.py --seeds 3 --jobs 2
    python benchmarks/memory_distance.py --corridors 8 50 --contestants lstm_ppo iqn

The success rate is that of the trials between 90,000 and 100,000 agent steps. Runs are shared with
`learning.py`: those that have a record are not repeated. The table and the plot have all corridors
and up to ten seeds with a record of the current defaults.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import fmean, median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from rich.console import Console

from campaign import run_jobs
from records import Job, Record, is_current, read_record, record_path
from tasks import CORRIDORS, TASKS, defaults_of

_N_STEPS = 100_000
_MOST_SEEDS = 10  # that the figure has, if they have records
_MARKERS = "os^vDXP"


def main() -> int:
    arguments = _parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    n_seeds = max(arguments.seeds, _MOST_SEEDS)
    jobs = {
        (contestant, corridor): [_job(corridor, contestant, seed) for seed in range(n_seeds)]
        for contestant in arguments.contestants
        for corridor in CORRIDORS
    }
    selected = [
        job
        for (_, corridor), of_point in jobs.items()
        if corridor in arguments.corridors
        for job in of_point[: arguments.seeds]
    ]
    failures = run_jobs(selected, arguments.output, arguments.jobs, console)
    scores = {
        point: [_success(read_record(path)[1]) for path in paths]
        for point, of_point in jobs.items()
        if (
            paths := [
                path
                for job in of_point
                if is_current(path := record_path(arguments.output, job), defaults_of(point[0]))
            ]
        )
    }
    for (contestant, corridor), values in scores.items():
        console.print(f"{contestant}, corridor {corridor}: {' '.join(f'{v:.2f}' for v in values)}")
    _plot(arguments.output / "memory_distance.png", scores)
    return 1 if failures else 0


def _job(corridor: int, contestant: str, seed: int) -> Job:
    task = f"cue_recall-{corridor}"
    return Job(task, contestant, seed, TASKS[task].budget)


def _success(record: Record) -> float:
    """Return the mean success rate in the last tenth of `_N_STEPS`."""
    return fmean(
        score
        for step, score in zip(record.steps, record.scores, strict=True)
        if 0.9 * _N_STEPS < step <= _N_STEPS
    )


def _plot(path: Path, scores: dict[tuple[str, int], list[float]]) -> None:
    """Plot each contestant's median over seeds, with the extremes as bars."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    for index, contestant in enumerate(dict.fromkeys(name for name, _ in scores)):
        corridors = [corridor for name, corridor in scores if name == contestant]
        values = [scores[contestant, corridor] for corridor in corridors]
        medians = [median(v) for v in values]
        bars = [[m - min(v), max(v) - m] for m, v in zip(medians, values, strict=True)]
        axes.errorbar(
            corridors,
            medians,
            list(zip(*bars, strict=True)),
            marker=_MARKERS[index % len(_MARKERS)],
            capsize=3,
            label=contestant,
        )
    axes.axhline(0.5, color="gray", linestyle=":", linewidth=1)
    axes.annotate("chance", (1.0, 0.5), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    axes.set(xlabel="steps from the cue to the junction", ylabel="success rate", ylim=(0.0, 1.03))
    axes.set_xscale("log")
    axes.set_xticks(sorted({corridor for _, corridor in scores}))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corridors", nargs="+", type=int, choices=CORRIDORS, default=CORRIDORS)
    parser.add_argument("--contestants", nargs="+", default=["lstm_ppo", "gru_ppo"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of parallel runs")
    parser.add_argument("--output", type=Path, default=Path("runs/learning"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
