"""Run directories with given values, without training, and comparisons of them."""

import csv
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from sorrel_recurrent_ppo.reports.comparison import compare_runs
from sorrel_recurrent_ppo.reports.saved_runs import find_runs
from sorrel_recurrent_ppo.run_files import RunFiles


def write_run(
    directory,
    rewards,
    *,
    model="lstm_ppo",
    seed=0,
    steps=100,
    seconds=0.5,
    config: Mapping[str, Any] | None = None,
):
    """Write ``metrics.csv`` and ``config.yaml``; ``steps`` and ``seconds`` are per epoch."""
    files = RunFiles(directory)
    directory.mkdir(parents=True)
    rows = [f"{e},{r},{steps * (e + 1)},{seconds}" for e, r in enumerate(rewards)]
    files.metrics.write_text("\n".join(["epoch,reward,steps,seconds", *rows]) + "\n")
    complete = OmegaConf.create(
        {
            "seed": seed,
            "environment": {"name": "a field"},
            "world": {"height": 9},
            "experiment": {"epochs": len(rewards) - 1, "max_turns": 20},
            "model": {"type": model, "vision": 2},
        }
    )
    for key, value in (config or {}).items():
        OmegaConf.update(complete, key, value)
    OmegaConf.save(complete, files.config)
    return files


def compare_below(directory, **settings):
    """Compare the runs at or below a directory."""
    return compare_runs(find_runs([directory]), **settings)


def read_rows(path):
    """Read a CSV file as one dictionary per row."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
