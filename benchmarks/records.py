"""One run of one contestant: what came of it, kept as a JSON file so that it need not run again."""

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
    """A run to be made.

    Attributes:
        task: Name of the task.
        contestant: Name of the contestant.
        seed: Seed of world and model.
        budget: Epochs (Sorrel) or agent steps (gymnasium) to run.
        settings: Settings of our model in place of the packaged ones.
    """

    task: str
    contestant: str
    seed: int
    budget: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What runs have in common that can be compared."""
        return f"{self.task}@{self.budget}"

    @property
    def variant(self) -> str:
        """The contestant with its settings, as it is called in tables and pictures."""
        return " ".join([self.contestant, *(f"{k}={v}" for k, v in self.settings.items())])


@dataclass(frozen=True)
class Record:
    """What came of a run.

    Attributes:
        steps: Agent steps (of one agent) at the end of each epoch or episode.
        scores: The score of each epoch or episode.
        evaluation: Scores of episodes after training; empty where there are none.
        wall_seconds: Wall-clock time of the training.
        cpu_seconds: Processor time of the training.
        metrics: Further figures, a number per epoch.
    """

    steps: Sequence[int]
    scores: Sequence[float]
    wall_seconds: float
    cpu_seconds: float
    evaluation: Sequence[float] = ()
    metrics: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def record_path(directory: Path, job: Job) -> Path:
    """Return where a job's record is kept."""
    return directory / job.group / job.variant.replace("/", "_") / f"seed{job.seed}.json"


def write_record(path: Path, job: Job, record: Record, defaults: Mapping[str, Any] | None) -> None:
    """Write a record whole or not at all.

    Args:
        path: The file.
        job: What was run.
        record: What came of it.
        defaults: The packaged defaults that it was run with, if any.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    content = {"job": asdict(job), "defaults": defaults, "record": asdict(record)}
    partial.write_text(json.dumps(content) + "\n")
    os.replace(partial, path)


def is_current(path: Path, defaults: Mapping[str, Any] | None) -> bool:
    """Whether there is a record, run with the packaged defaults that hold now."""
    return path.exists() and json.loads(path.read_text())["defaults"] == defaults


def read_record(path: Path) -> tuple[Job, Record]:
    """Read what was run, and what came of it."""
    content = json.loads(path.read_text())
    return Job(**content["job"]), Record(**content["record"])


def read_records(directory: Path, group: str) -> dict[str, list[tuple[Job, Record]]]:
    """Read all records of a group, by variant and in the order of their seeds."""
    runs: dict[str, list[tuple[Job, Record]]] = {}
    for path in sorted((directory / group).glob("*/seed*.json")):
        job, record = read_record(path)
        runs.setdefault(job.variant, []).append((job, record))
    return {name: sorted(found, key=lambda run: run[0].seed) for name, found in runs.items()}
