"""Measure how soon agents relearn when what pays changes long after the start of a run.

    python benchmarks/adaptation.py --seeds 2

cue_recall with a corridor of 8: after 100,000 agent steps, each cue stands for the other arm. The
table has the success rate by tenths of the 100,000 steps that follow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from machine import use_one_thread
from sorrel_envs import build_sorrel_env
from sorrel_recurrent_ppo.examples.cue_recall.entities import CueLeft, CueRight

_TURNS = 200
_N_EPOCHS = 500  # before the change, and after it
_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "packaged": {},
    "annealed over 1,000,000 steps": {
        "learning_rate_decay_steps": 1_000_000,
        "entropy_decay_steps": 1_000_000,
    },
    "constant": {"learning_rate_end_factor": 1, "entropy_end": 0.03},
    "uniform_kl_coef=0.003": {"uniform_kl_coef": 0.003},
    "uniform_kl_coef=0.01": {"uniform_kl_coef": 0.01},
}


def main() -> int:
    arguments = _parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    jobs = [
        (model, variant, seed)
        for variant in arguments.variants
        for model in ("lstm_ppo", "gru_ppo")
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(
        arguments.jobs, mp_context=get_context("spawn"), initializer=use_one_thread
    ) as pool:
        tenths = list(pool.map(_run, jobs))
    table = Table("model", "schedule", "seed", "before", "after, by tenths")
    for (model, variant, seed), (before, after) in zip(jobs, tenths, strict=True):
        rates = " ".join(f"{rate:.2f}" for rate in after)
        table.add_row(model, variant, str(seed), f"{before[-1]:.2f}", rates)
    console.print(table)
    return 0


def _run(job: tuple[str, str, int]) -> tuple[list[float], list[float]]:
    """Return the success rates by tenths, before and after the change."""
    model, variant, seed = job
    settings = [f"model.{model}.{name}={value}" for name, value in _VARIANTS[variant].items()]
    overrides = [
        *settings,
        f"experiment.max_turns={_TURNS}",
        f"experiment.epochs={_N_EPOCHS - 1}",
        f"experiment.record_period={_N_EPOCHS + 1}",
    ]
    env = build_sorrel_env("cue_recall", model, seed=seed, overrides=overrides)
    before = _train(env)
    _exchange_cues(env.world)
    return before, _train(env)


def _exchange_cues(world: Any) -> None:
    """Show each cue where the other was shown."""
    begin_trial = world.begin_trial

    def begin_trial_with_other_cue(lane: int) -> None:
        begin_trial(lane)
        row, stem, layer = world.start(lane)
        cue = CueRight if world.trials[lane].cue == "left" else CueLeft
        for column in (stem - 1, stem, stem + 1):
            world.add((row + 1, column, layer), cue())

    world.begin_trial = begin_trial_with_other_cue


def _train(env: Environment) -> list[float]:
    """Run `_N_EPOCHS` epochs; return the success rates by tenths."""
    logger = Logger(_N_EPOCHS)
    with TemporaryDirectory() as directory:
        env.run_experiment(animate=False, logger=logger, output_dir=Path(directory))
    rates = np.array(logger.additional_values["success_rate"], float)
    return rates.reshape(10, -1).mean(axis=1).tolist()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, default=[*_VARIANTS])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
