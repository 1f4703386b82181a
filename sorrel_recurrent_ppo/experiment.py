"""One experiment from its config to its files."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from sorrel.environment import Environment
from sorrel.utils.logging import TensorboardLogger

from sorrel_recurrent_ppo import swap
from sorrel_recurrent_ppo.environments import build_environment
from sorrel_recurrent_ppo.errors import ConfigError, did_you_mean
from sorrel_recurrent_ppo.plotting import plot_learning_curve
from sorrel_recurrent_ppo.population import Population, population_of
from sorrel_recurrent_ppo.progress import progress_sinks
from sorrel_recurrent_ppo.randomness import fresh_seed
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.run_checkpoints import CheckpointSink
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.run_logging import CsvSink, RunLogger, Sink, TensorboardSink
from sorrel_recurrent_ppo.side_by_side import training_threads
from sorrel_recurrent_ppo.state_recording import StateSink

__all__ = [
    "RunSummary",
    "build_seeded",
    "resolve_config",
    "run_experiment",
    "seed_global_generators",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """What a run came to.

    Attributes:
        n_epochs: Epochs that were run.
        steps: Agent steps that were run.
        seconds: Wall time of the epochs.
        reward_start: Mean reward of an epoch in the first tenth of the run.
        reward_end: Mean reward of an epoch in the last tenth.
    """

    n_epochs: int
    steps: int
    seconds: float
    reward_start: float
    reward_end: float


def run_experiment(config: DictConfig, files: RunFiles, *, plain: bool = False) -> RunSummary:
    """Train the agents of one environment with Sorrel's own runner, leaving the run's files.

    Seeds the global random streams, since the process is the experiment's own.

    Args:
        config: The whole config, as ``configs/config.yaml`` composes it.
        files: Where the run's files go.
        plain: Show the progress as lines, on a terminal too.

    Returns:
        The summary, which is logged as well.

    Raises:
        ConfigError: A key is missing or ill-valued, or the directory already holds a run.
    """
    config = resolve_config(config)
    if files.metrics.exists():
        raise ConfigError(
            f"{files.directory} already holds a run; name another with hydra.run.dir=..."
        )
    files.directory.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, files.config)
    env = build_seeded(config)
    population = population_of(env)
    if population is None:
        chosen = OmegaConf.select(config, "model.type")
        raise ConfigError(
            f"model.type={chosen} names no model.{did_you_mean(chosen, available_models())} "
            f"Available: {', '.join(available_models())}"
        )
    _log_start(config, population)
    with training_threads(env, population, config.threads):
        summary = _run(env, population, files, plain=plain)
    _log_end(summary, files)
    return summary


def resolve_config(config: DictConfig) -> DictConfig:
    """Return the config with its interpolations resolved, its seed drawn, its numbers checked.

    Raises:
        ConfigError: A mandatory key is not set, or a number is not one that can be run.
    """
    missing = OmegaConf.missing_keys(config)
    if missing:
        keys = ", ".join(sorted(missing))
        raise ConfigError(f"the config needs a value for {keys}; set it with {keys}=...")
    resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    assert isinstance(resolved, DictConfig)
    if resolved.seed is None:
        resolved.seed = fresh_seed()
    for key, least in [
        ("seed", 0),
        ("threads", 1),
        ("experiment.epochs", 0),
        ("experiment.max_turns", 1),
        ("experiment.record_period", 1),
        *([("record_states_limit", 1)] if resolved.get("record_states") else []),
    ]:
        value = OmegaConf.select(resolved, key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{key} must be a whole number, at least {least}; it is {value!r}")
    for key in ("quiet", "log_turns", "record_states"):
        value = OmegaConf.select(resolved, key, default=False)
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be true or false; it is {value!r}")
    return resolved


def seed_global_generators(seed: int) -> None:
    """Seed the global streams of Python, numpy and torch, which Sorrel's worlds draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global stream is what is meant
    torch.manual_seed(seed)


def build_seeded(config: DictConfig) -> Environment:
    """Build the environment with its agents' models, the global streams seeded before and after.

    Args:
        config: What `resolve_config` returns.

    Raises:
        ConfigError: As `build_environment`, or the models' settings are at fault.
    """
    swap.install()
    seed_global_generators(config.seed)
    env = build_environment(config)
    # Sorrel's environments reseed torch from the operating system while they build their agents.
    seed_global_generators(config.seed)
    return env


def _run(env: Environment, population: Population, files: RunFiles, *, plain: bool) -> RunSummary:
    experiment, quiet = env.config.experiment, env.config.get("quiet", False)
    animate = experiment.get("animate", False)
    tensorboard = TensorboardLogger(experiment.epochs, files.tensorboard)
    logger = RunLogger(
        env,
        population,
        sinks=[
            CsvSink(files),
            TensorboardSink(tensorboard),
            CheckpointSink(env, population, files),
            *_state_sinks(env, population, files),
            *progress_sinks(Console(), experiment.epochs, plain=plain, quiet=quiet),
        ],
        turn_logger=tensorboard if env.config.log_turns else None,
    )
    started = time.perf_counter()
    try:
        if animate:  # Sorrel would say on the terminal that it makes the folder
            files.gifs.mkdir(parents=True, exist_ok=True)
        env.run_experiment(animate=animate, logger=logger, output_dir=files.sorrel)
    finally:
        logger.close()
        if files.sorrel.is_dir() and not any(files.sorrel.iterdir()):
            files.sorrel.rmdir()
        if logger.rewards:  # a run that was stopped leaves its curve too
            title = f"{_model_names(population)} in {env.config.environment.name}"
            plot_learning_curve(files, title)
    rewards = np.array(logger.rewards, dtype=float)
    return _summarise(rewards, logger.steps, time.perf_counter() - started)


def _state_sinks(env: Environment, population: Population, files: RunFiles) -> list[Sink]:
    if not env.config.get("record_states", False):
        return []
    return [StateSink(env, population, files, limit=env.config.record_states_limit)]


def _summarise(rewards: np.ndarray, steps: int, seconds: float) -> RunSummary:
    tenth = max(1, len(rewards) // 10)
    return RunSummary(
        n_epochs=len(rewards),
        steps=steps,
        seconds=seconds,
        reward_start=float(rewards[:tenth].mean()),
        reward_end=float(rewards[-tenth:].mean()),
    )


def _model_names(population: Population) -> str:
    return ", ".join(dict.fromkeys(member.model_name for member in population.members))


def _log_start(config: DictConfig, population: Population) -> None:
    log.info(
        "Training %d agents (%s) in %s, epochs 0 to %d of at most %d turns; seed %d, %d thread%s.",
        len(population.members),
        _model_names(population),
        config.environment.name,
        config.experiment.epochs,
        config.experiment.max_turns,
        config.seed,
        config.threads,
        "" if config.threads == 1 else "s",
    )


def _log_end(summary: RunSummary, files: RunFiles) -> None:
    log.info(
        "Ran %d epochs, %d agent steps, in %s: %.0f steps/s.",
        summary.n_epochs,
        summary.steps,
        timedelta(seconds=round(summary.seconds)),
        summary.steps / summary.seconds,
    )
    log.info(
        "Reward per epoch: %.1f in the first tenth of the run, %.1f in the last.",
        summary.reward_start,
        summary.reward_end,
    )
    log.info("Files in %s: %s.", files.directory, ", ".join(files.present()))
