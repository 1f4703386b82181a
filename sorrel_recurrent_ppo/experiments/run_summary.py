"""Log messages for the start and the end of a run."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from omegaconf import DictConfig

from sorrel_recurrent_ppo.experiments.expected_size import expected_size, format_size
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.epoch_curve import read_reward_curve
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["RunSummary", "log_end", "log_start", "model_names", "summarise"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """The totals of a run, over all its sessions.

    Attributes:
        n_epochs: Number of epochs.
        steps: Number of agent steps.
        seconds: Wall time of the epochs.
        reward_start: Mean reward of an epoch in the first tenth of the run.
        reward_end: Mean reward of an epoch in the last tenth.
    """

    n_epochs: int
    steps: int
    seconds: float
    reward_start: float
    reward_end: float


def summarise(logged: Mapping[str, Any], files: RunFiles) -> RunSummary:
    """Return the summary of a run.

    Args:
        logged: The ``state_dict`` of its logger; that of version 0.1.0 has no ``n_epochs``.
        files: The run's files, whose ``metrics.csv`` is read.

    Raises:
        ConfigError: ``metrics.csv`` is missing or damaged.
    """
    n_epochs = logged["n_epochs"] if "n_epochs" in logged else len(logged["rewards"])
    start = end = math.nan
    if n_epochs:
        rewards = read_reward_curve(files.metrics)
        start, end = rewards.first_tenth_mean, rewards.last_tenth_mean
    return RunSummary(n_epochs, logged["steps"], logged["seconds"], start, end)


def model_names(population: Population) -> str:
    """Return the names of the models in a population, each once."""
    return ", ".join(dict.fromkeys(member.model_name for member in population.members))


def log_start(config: DictConfig, population: Population, first_epoch: int) -> None:
    """Log the settings of the run that is about to start."""
    log.info(
        "Training %s (%s) in %s, epochs %d to %d of at most %d turns; seed %d%s.",
        counted(len(population.members), "agent"),
        model_names(population),
        config.environment.name,
        first_epoch,
        config.experiment.epochs,
        config.experiment.max_turns,
        config.seed,
        "" if config.threads is None else f", {counted(config.threads, 'thread')}",
    )
    log.info(
        "A row of metrics.csv and agents.csv is %s. Expected size of the files: %s.",
        "an epoch"
        if config.log_period == 1
        else f"the mean of {config.log_period} epochs (log_period)",
        format_size(expected_size(config, population)),
    )


def log_end(summary: RunSummary, population: Population, files: RunFiles) -> None:
    """Log the totals of a run and where its files are."""
    log.info(
        "Ran %s, %s, in %s: %.0f steps/s.",
        counted(summary.n_epochs, "epoch"),
        counted(summary.steps, "agent step"),
        timedelta(seconds=round(summary.seconds)),
        summary.steps / summary.seconds if summary.seconds else 0.0,
    )
    log.info(
        "Reward per epoch: %.1f in the first tenth of the run, %.1f in the last.",
        summary.reward_start,
        summary.reward_end,
    )
    updates = [m.model.n_updates for m in population.members if is_ppo_model(m.model)]
    if updates:
        span = f"{min(updates)} to {max(updates)}" if len(set(updates)) > 1 else str(updates[0])
        log.info("Updates of each agent's model: %s.", span)
    log.info("Files in %s: %s.", files.directory, ", ".join(files.present()))
