"""The logger of a run with the sinks that its config selects."""

from __future__ import annotations

from rich.console import Console
from sorrel.environment import Environment
from sorrel.utils.logging import TensorboardLogger

from sorrel_recurrent_ppo.experiments.logging.csv_sink import CsvSink
from sorrel_recurrent_ppo.experiments.logging.epoch_records import Sink
from sorrel_recurrent_ppo.experiments.logging.progress import progress_sinks
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.logging.tensorboard_sink import TensorboardSink
from sorrel_recurrent_ppo.experiments.logging.wandb_logging import wandb_sinks
from sorrel_recurrent_ppo.experiments.state_recording import StateSink
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.recording.agent_view import animate_agent_view
from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates
from sorrel_recurrent_ppo.run_files import RunFiles

__all__ = ["build_logger"]


def build_logger(
    env: Environment, population: Population, files: RunFiles, *, first_epoch: int, plain: bool
) -> RunLogger:
    """Return the logger of a run, with its sinks open.

    Args:
        env: The environment.
        population: The environment's population.
        files: The run's files.
        first_epoch: The epoch from which the run resumes; 0 for a new run.
        plain: Show the progress as lines even on a terminal.

    Raises:
        CheckpointError: Rows before ``first_epoch`` are missing from the CSV files.
        ConfigError: The config's ``logger`` is invalid, or wandb is missing or fails to start.
    """
    last_epoch, quiet = env.config.experiment.epochs, env.config.get("quiet", False)
    wandb = wandb_sinks(env.config, files)  # prints during init: before the live view
    has_events = files.tensorboard.is_dir()
    tensorboard = TensorboardLogger(last_epoch, files.tensorboard)
    tensorboard_sink = TensorboardSink(tensorboard)
    if has_events and not env.config.log_turns:  # turns have other step numbers than epochs
        tensorboard_sink.purge_from(first_epoch)
    sinks: list[Sink] = [
        CsvSink(files, n_agents=len(population.members), first_epoch=first_epoch),
        tensorboard_sink,
        *_state_sinks(env, population, files),
        *progress_sinks(Console(), last_epoch, plain=plain, quiet=quiet),
        *wandb,  # prints on close: after the view
    ]
    turn_logger = tensorboard if env.config.log_turns else None
    logger = RunLogger(env, population, sinks, turn_logger=turn_logger)
    logger.skip_until(first_epoch)
    return logger


def _state_sinks(env: Environment, population: Population, files: RunFiles) -> list[Sink]:
    if not env.config.get("record_states"):
        return []

    def animate(states: RecordedStates) -> None:
        view = files.agent_view(states.subject.agent, states.epochs[0])
        animate_agent_view(states, view)

    on_recorded = animate if env.config.experiment.get("animate", False) else None
    limit = env.config.record_states_limit
    return [StateSink(env, population, files, limit=limit, on_recorded=on_recorded)]
