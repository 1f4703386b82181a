"""Running one experiment from its config to its files."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.acceleration.switch import accelerated
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, NumericalError
from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment, build_experiment
from sorrel_recurrent_ppo.experiments.fault_files import save_before_fault
from sorrel_recurrent_ppo.experiments.interruption import StopRequest, stop_requests
from sorrel_recurrent_ppo.experiments.logging.plotting import plot_learning_curve
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.parallel_training import build_trainer, training_with
from sorrel_recurrent_ppo.experiments.provenance import record_session
from sorrel_recurrent_ppo.experiments.resume.fast_forward import skipping_epochs
from sorrel_recurrent_ppo.experiments.resume.kept_checkpoints import KeptCheckpoints
from sorrel_recurrent_ppo.experiments.resume.resumed_config import resume_command
from sorrel_recurrent_ppo.experiments.resume.run_checkpoints import RunCheckpoints
from sorrel_recurrent_ppo.experiments.resume.run_state import (
    check_number_of_agents,
    holds_epochs,
    next_epoch,
    read_run_state,
    restore_replacements,
    restore_run_state,
    saved_large_matvec,
)
from sorrel_recurrent_ppo.experiments.run_config import checkpoint_period, resolve_config
from sorrel_recurrent_ppo.experiments.run_sinks import build_logger
from sorrel_recurrent_ppo.experiments.run_summary import (
    RunSummary,
    log_end,
    log_start,
    model_names,
    summarise,
)
from sorrel_recurrent_ppo.experiments.world_checks import agents_required, explain_small_world
from sorrel_recurrent_ppo.policy.cpu.matvec import using_large_matvec
from sorrel_recurrent_ppo.population.admission import check_model_is_used
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.population.records import write_replacements
from sorrel_recurrent_ppo.recording.world_gif import GifEnlarger
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["FROM_PYTHON", "Invocation", "run_experiment"]


@dataclass(frozen=True)
class Invocation:
    """How a run was started.

    Attributes:
        in_sweep: Whether it is a run of a sweep: the progress is shown as lines even on a terminal,
            and models train one after another unless the config says otherwise.
        is_model_chosen: Whether the user has chosen ``model.type`` for this run, which is an error
            if no agent gets it.
        command: The command line, for ``provenance.yaml``; ``None`` if started from Python.
    """

    in_sweep: bool = False
    is_model_chosen: bool = False
    command: str | None = None


FROM_PYTHON = Invocation()

log = logging.getLogger(__name__)

_running = threading.Lock()


def run_experiment(
    config: DictConfig,
    files: RunFiles,
    *,
    resume: bool = False,
    invocation: Invocation = FROM_PYTHON,
) -> RunSummary:
    """Train the agents of an experiment and write the run's files.

    Seeds the global random streams, since the process belongs to the experiment.

    Args:
        config: The complete config, as ``configs/config.yaml`` composes it.
        files: The paths of the run's files.
        resume: Resume the run in this directory from its last checkpoint, or from the start if it
            has none; ``config`` is then the run's own.
        invocation: How the run was started.

    Returns:
        The summary, which is also logged.

    Raises:
        ConfigError: A key is missing or ill-valued, the directory already holds a run, or another
            run is in progress in this process.
        CheckpointError: The run's state is damaged, or does not match its environment.
        RunStopped: A signal requested a stop; the run is saved.
    """
    with _only_run():
        return _start_or_resume(config, files, resume=resume, invocation=invocation)


@contextmanager
def _only_run() -> Iterator[None]:
    """Raise ConfigError if another run is in progress in this process, such as in a thread."""
    if not _running.acquire(blocking=False):
        raise ConfigError(
            "another run is in progress in this process, and both would draw from its global "
            "random streams; start each run in a process of its own"
        )
    try:
        yield
    finally:
        _running.release()


def _start_or_resume(
    config: DictConfig, files: RunFiles, *, resume: bool, invocation: Invocation
) -> RunSummary:
    config = resolve_config(config, is_resumed=resume)
    if not resume and holds_epochs(files):
        raise ConfigError(
            f"{files.directory} already holds a run; choose another with hydra.run.dir=..., or "
            f"resume it: {resume_command(files.directory)}"
        )
    state = read_run_state(files) if resume else None
    if state is not None and _is_complete(config, state, files):
        return summarise(state["logger"], files)
    files.directory.mkdir(parents=True, exist_ok=True)
    files.remove_partial_files()
    if state is None:
        _save_config(config, files)
    large_matvec = using_large_matvec(saved_large_matvec(state))
    is_accelerated = config.get("accelerate", False)
    with accelerated(is_accelerated), large_matvec, explain_small_world(config):
        return _build_and_run(config, files, state=state, invocation=invocation)


def _build_and_run(
    config: DictConfig,
    files: RunFiles,
    *,
    state: dict[str, Any] | None,
    invocation: Invocation,
) -> RunSummary:
    experiment = build_experiment(config)
    population, in_sweep = experiment.population, invocation.in_sweep
    if invocation.is_model_chosen:
        check_model_is_used(config, population.members)
    if state is not None:
        experiment.reset()  # some environments build their agents in reset
        check_number_of_agents(experiment, state)
    first_epoch = next_epoch(state)
    record_session(files, config, population, first_epoch=first_epoch, command=invocation.command)
    log_start(config, population, first_epoch)
    trainer = build_trainer(experiment, config.threads, in_sweep=in_sweep)
    with training_with(trainer, population), stop_requests() as stop:
        summary = _run(experiment, files, state=state, in_sweep=in_sweep, stop=stop)
    log_end(summary, population, files)
    return summary


def _save_config(config: DictConfig, files: RunFiles) -> None:
    with atomic_write(files.config) as partial:
        OmegaConf.save(config, partial)


def _is_complete(config: DictConfig, state: dict[str, Any], files: RunFiles) -> bool:
    """Return whether a run has completed all its epochs, and log it if so.

    Raises:
        ConfigError: The run has more epochs than ``experiment.epochs``.
    """
    done, last = state["epoch"], config.experiment.epochs
    if done > last:
        raise ConfigError(
            f"experiment.epochs={last}, but the run in {files.directory} is at epoch {done}"
        )
    if done == last:
        log.info(
            "The run in %s is complete, with its epochs 0 to %d; experiment.epochs=... extends it.",
            *(files.directory, done),
        )
    return done == last


def _run(
    experiment: BuiltExperiment,
    files: RunFiles,
    *,
    state: dict[str, Any] | None,
    in_sweep: bool,
    stop: StopRequest,
) -> RunSummary:
    config, population = experiment.config, experiment.population
    animate, first_epoch = config.experiment.get("animate", False), next_epoch(state)
    logger = build_logger(experiment, files, state=state, plain=in_sweep, stop=stop)
    restore_replacements(files, state)
    checkpoints = RunCheckpoints(
        experiment,
        logger,
        files,
        period=checkpoint_period(config),
        first_epoch=first_epoch,
        stop=stop,
        kept=KeptCheckpoints(files, config),
    )

    def save_replacements(population: Population) -> None:
        write_replacements(files.replacements, population.replacements)

    population.replacement_listeners[:] = [save_replacements]

    restore = partial(_restore, experiment, files, logger, state)
    try:
        if animate:  # otherwise Sorrel prints that it creates the folder
            files.gifs.mkdir(parents=True, exist_ok=True)
        drawing = [GifEnlarger(files.gifs)] if animate else []
        with (
            _epoch_end_callbacks(population, logger.record_missing_epoch, *drawing, checkpoints),
            skipping_epochs(experiment, first_epoch, restore),
            agents_required(experiment),
        ):
            experiment.run(logger, animate=animate, output_dir=files.sorrel)
    except NumericalError as error:
        raise save_before_fault(error, population, files) from error
    finally:
        _finish(logger, files, f"{model_names(population)} in {config.environment.name}")
    return summarise(logger.state_dict(), files)


def _restore(
    experiment: BuiltExperiment,
    files: RunFiles,
    logger: RunLogger,
    state: dict[str, Any] | None,
    without_reset: bool,
) -> None:
    """Restore a run's state when its first epoch in this process begins."""
    assert state is not None
    if without_reset and state.get("is_complete"):
        raise CheckpointError(
            f"the completed run in {files.directory} cannot be extended: its environment is "
            "not reset between epochs, and what it does after its last turn is not repeated"
        )
    restore_run_state(experiment, logger, state)
    _save_config(experiment.config, files)  # only once the state is known to match


def _finish(logger: RunLogger, files: RunFiles, title: str) -> None:
    """Close the files of a run that has ended or failed, and draw its learning curve."""
    is_failing = sys.exception() is not None
    logger.close()
    if files.sorrel.is_dir() and not any(files.sorrel.iterdir()):
        files.sorrel.rmdir()
    if logger.n_epochs:
        try:
            plot_learning_curve(files, title)
        except OSError as error:
            if not is_failing:
                raise
            log.warning("%s could not be drawn: %s", files.learning_curve, error)


@contextmanager
def _epoch_end_callbacks(
    population: Population, *callbacks: Callable[[Any, int], None]
) -> Iterator[None]:
    population.epoch_end_callbacks += callbacks
    try:
        yield
    finally:
        for callback in callbacks:
            population.epoch_end_callbacks.remove(callback)
