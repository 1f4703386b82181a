"""Records of learning runs, stored as JSON files so that runs are not repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Job",
    "Record",
    "is_current",
    "read_record",
    "read_records",
    "record_path",
    "write_record",
]


@dataclass(frozen=True)
class Job:
    """The specification of a run.

    Attributes:
        task: Name of the task.
        contestant: Name of the contestant.
        seed: Seed of the world and the model.
        budget: Number of epochs (Sorrel) or agent steps (gymnasium).
        settings: Overrides of the model's packaged settings.
    """

    task: str
    contestant: str
    seed: int
    budget: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The name of the group of comparable runs."""
        return f"{self.task}@{self.budget}"

    @property
    def variant(self) -> str:
        """The contestant with its settings, the label in tables and plots."""
        return " ".join([self.contestant, *(f"{k}={v}" for k, v in self.settings.items())])


@dataclass(frozen=True)
class Record:
    """The results of a run.

    Attributes:
        steps: Number of steps of one agent at the end of each epoch or episode.
        scores: Score of each epoch or episode.
        evaluation: Scores of the evaluation episodes after training, if any.
        wall_seconds: Wall-clock time of the training.
        cpu_seconds: Processor time of the training.
        metrics: Further metrics, with one number per epoch.
    """

    steps: Sequence[int]
    scores: Sequence[float]
    wall_seconds: float
    cpu_seconds: float
    evaluation: Sequence[float] = ()
    metrics: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def record_path(directory: Path, job: Job) -> Path:
    """Return the path of a job's record."""
    return directory / job.group / job.variant.replace("/", "_") / f"seed{job.seed}.json"


def write_record(path: Path, job: Job, record: Record, defaults: Mapping[str, Any] | None) -> None:
    """Write a record atomically.

    Args:
        path: The file.
        job: The job.
        record: Its results.
        defaults: The packaged defaults of the run, if any.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    content = {"job": asdict(job), "defaults": defaults, "record": asdict(record)}
    partial.write_text(json.dumps(content) + "\n")
    os.replace(partial, path)


def is_current(path: Path, defaults: Mapping[str, Any] | None) -> bool:
    """Return whether a record with the current packaged defaults exists."""
    return path.exists() and json.loads(path.read_text())["defaults"] == defaults


def read_record(path: Path) -> tuple[Job, Record]:
    """Read a job and its results."""
    content = json.loads(path.read_text())
    return Job(**content["job"]), Record(**content["record"])


def read_records(directory: Path, group: str) -> dict[str, list[tuple[Job, Record]]]:
    """Read all records of a group, by variant and ordered by seed."""
    runs: dict[str, list[tuple[Job, Record]]] = {}
    for path in sorted((directory / group).glob("*/seed*.json")):
        job, record = read_record(path)
        runs.setdefault(job.variant, []).append((job, record))
    return {name: sorted(found, key=lambda run: run[0].seed) for name, found in runs.items()}
