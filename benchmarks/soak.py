"""Soak test: memory, speed, open files and threads over a long run of a small world.

python benchmarks/soak.py --epochs 100000
python benchmarks/soak.py --at 1000 1000000     # the time per epoch from these epochs on
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path

import psutil
import torch
from hydra import compose, initialize_config_dir
from sorrel.environment import Environment

from epoch_times import compare_epochs
from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.run_files import RunFiles

SETTINGS = [
    *("environment=treasurehunt", "model=lstm_ppo", "seed=1", "model.lstm_ppo.hidden_size=8"),
    *("world.height=5", "world.width=5", "experiment.max_turns=5"),
    *("experiment.record_period=1000", "model.lstm_ppo.rollout_length=50"),
    *("model.lstm_ppo.obs_type=flattened", "accelerate=true"),
]


class ResourceMonitor:
    """A monitor of the process's resources, sampled every ``interval`` resets of an environment."""

    def __init__(self, interval: int) -> None:
        self.interval, self.epoch, self.started = interval, 0, time.perf_counter()
        self.process = psutil.Process()
        self.rows: list[tuple[int, float, float, int, int]] = []

    def reset(self, env: Environment) -> None:
        """Reset the environment and count the epoch."""
        self.original(env)
        if self.epoch and self.epoch % self.interval == 0:
            self.sample()
        self.epoch += 1

    def sample(self) -> None:
        """Store and print the current values."""
        gc.collect()
        now = time.perf_counter()
        megabytes = self.process.memory_info().rss / 2**20
        rate = self.interval / (now - self.started)
        row = self.epoch, megabytes, rate, self.process.num_fds(), self.process.num_threads()
        self.rows.append(row)
        print(f"epoch {row[0]:5}: {row[1]:7.1f} MB, {row[2]:5.1f} epochs/s, {row[3:]}", flush=True)
        self.started = now

    original = staticmethod(Environment.reset)


def main() -> None:
    """Run, print the samples and exit with 1 if memory, files or threads grow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100_000)
    parser.add_argument("--at", type=int, nargs="+", metavar="EPOCH")
    arguments = parser.parse_args()
    overrides = [*SETTINGS, f"experiment.epochs={arguments.epochs}"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("config", overrides=overrides)
    torch.set_num_threads(1)
    if arguments.at:
        with tempfile.TemporaryDirectory() as folder:
            compare_epochs(config, Path(folder), arguments.at)
        return
    monitor = ResourceMonitor(max(1, arguments.epochs // 20))
    Environment.reset = lambda env: monitor.reset(env)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        experiment.run_experiment(
            config, RunFiles(Path(folder) / "run"), invocation=experiment.Invocation(in_sweep=True)
        )
    half = monitor.rows[len(monitor.rows) // 2 :]
    growth = half[-1][1] - half[0][1]
    slower = 1 - half[-1][2] / half[0][2]
    leaked = half[-1][3] > half[0][3] or half[-1][4] > half[0][4]
    flat = growth < 10 and not leaked
    handles = "grew" if leaked else "same"
    print(
        f"{'flat' if flat else 'NOT FLAT'}: {growth:+.1f} MB and {-slower:+.0%} speed over the "
        f"second half of {arguments.epochs} epochs; files and threads {handles}"
    )
    raise SystemExit(not flat)


if __name__ == "__main__":
    main()
