"""Time per epoch, and time to save and to resume, early and late in a run whose counters are set.

A short run is copied, and the counters in its state are set, so that it resumes at any epoch.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state, save_run_state
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.epoch_curve import read_metrics_file

__all__ = ["compare_epochs"]

N_TIMED = 100  # epochs
N_REPEATS = 3
_PLAIN = experiment.Invocation(in_sweep=True)  # without a live view
_COUNTERS = frozenset({"n_epochs", "steps", "turns", "timesteps", "n_updates"})


def compare_epochs(config: DictConfig, folder: Path, epochs: Sequence[int]) -> None:
    """Print the time per epoch from each of these epochs on, and that of resuming there.

    Args:
        config: The config of a run with a row per epoch.
        folder: An empty folder.
        epochs: The epochs, at least 1.
    """
    OmegaConf.update(config, "log_period", 1)
    OmegaConf.update(config, "checkpoint_period", 10**9)
    OmegaConf.update(config, "experiment.epochs", N_TIMED)
    first = RunFiles(folder / "first")
    experiment.run_experiment(config, first, invocation=_PLAIN)
    times: dict[int, list[float]] = {epoch: [] for epoch in epochs}
    for repeat in range(N_REPEATS):
        for epoch in epochs:
            files = RunFiles(folder / f"{epoch}_{repeat}")
            shutil.copytree(first.directory, files.directory)
            _set_counters(files, epoch)
            started = time.perf_counter()
            OmegaConf.update(config, "experiment.epochs", epoch + N_TIMED)
            experiment.run_experiment(config, files, invocation=_PLAIN, resume=True)
            elapsed = time.perf_counter() - started
            seconds = read_metrics_file(files.metrics, ["seconds"])["seconds"][-N_TIMED:]
            times[epoch].append(1000 * statistics.median(seconds.tolist()))
            resuming = elapsed - float(seconds.sum())
            size = files.run_state.stat().st_size
            print(
                f"epoch {epoch:,}: {times[epoch][-1]:.3f} ms per epoch, {resuming:.1f} s for "
                f"resuming, plotting and saving, run_state.pt {size:,} bytes",
                flush=True,
            )
    medians = {epoch: statistics.median(found) for epoch, found in times.items()}
    print("; ".join(f"epoch {epoch:,}: {ms:.3f} ms" for epoch, ms in medians.items()))


def _set_counters(files: RunFiles, epoch: int) -> None:
    """Set the counters in a run's state to those at the end of an epoch."""
    state = read_run_state(files)
    assert state is not None
    factor = (epoch + 1) / (state["epoch"] + 1)
    _scale(state, factor)
    state |= {"epoch": epoch, "is_complete": False}
    state["logger"]["n_epochs"] = epoch + 1
    save_run_state(files, state)


def _scale(value: Any, factor: float) -> None:
    """Multiply the counters in a state, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _COUNTERS and isinstance(inner, int):
                value[key] = round(inner * factor)
            else:
                _scale(inner, factor)
    elif isinstance(value, list):
        for inner in value:
            _scale(inner, factor)
