"""Directories of runs written by hand, with numbers that a test can work with."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

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
    """Write the two files that the oldest runs have; ``steps`` and ``seconds`` are per epoch."""
    files = RunFiles(directory)
    directory.mkdir(parents=True)
    rows = [f"{e},{r},{steps * (e + 1)},{seconds}" for e, r in enumerate(rewards)]
    files.metrics.write_text("\n".join(["epoch,reward,steps,seconds", *rows]) + "\n")
    whole = OmegaConf.create(
        {
            "seed": seed,
            "environment": {"name": "a field"},
            "world": {"height": 9},
            "experiment": {"epochs": len(rewards) - 1, "max_turns": 20},
            "model": {"type": model, "vision": 2},
        }
    )
    for key, value in (config or {}).items():
        OmegaConf.update(whole, key, value)
    OmegaConf.save(whole, files.config)
    return files
