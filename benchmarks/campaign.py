"""Run jobs in parallel processes, skipping those that already have a current record."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console

from machine import use_one_thread
from records import Job, is_current, record_path, write_record
from tasks import TASKS, defaults_of

__all__ = ["run_jobs"]


def run_jobs(jobs: Sequence[Job], directory: Path, n_processes: int, console: Console) -> int:
    """Run the jobs that have no record with the current packaged defaults.

    Args:
        jobs: The jobs to run.
        directory: The directory of the records.
        n_processes: Number of parallel processes.
        console: The console for progress messages.

    Returns:
        The number of failed jobs.
    """
    waiting = [
        job
        for job in jobs
        if not is_current(record_path(directory, job), defaults_of(job.contestant))
    ]
    console.print(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them already complete")
    failures = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_processes, mp_context=context, initializer=use_one_thread, max_tasks_per_child=1
    ) as pool:
        futures = {pool.submit(_run, job, directory): job for job in waiting}
        for n_done, future in enumerate(as_completed(futures), start=1):
            job, error = futures[future], future.exception()
            outcome = f"failed: {error!r}" if error else f"{future.result():.3g}"
            failures += error is not None
            console.print(
                f"[{n_done}/{len(waiting)}] {job.task}, {job.variant}, seed {job.seed}: {outcome}",
                markup=False,
            )
    return failures


def _run(job: Job, directory: Path) -> float:
    task = TASKS[job.task]
    record = task.run(job)
    write_record(record_path(directory, job), job, record, defaults_of(job.contestant))
    return task.final(record)
