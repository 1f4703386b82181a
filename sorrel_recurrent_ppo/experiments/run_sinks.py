"""The logger of a run with the sinks that its config selects."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from sorrel.utils.logging import TensorboardLogger

from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.experiments.interruption import StopRequest
from sorrel_recurrent_ppo.experiments.logging.csv_sink import CsvSink
from sorrel_recurrent_ppo.experiments.logging.epoch_records import Sink, StatefulSink
from sorrel_recurrent_ppo.experiments.logging.period_average import PeriodAverage, check_period
from sorrel_recurrent_ppo.experiments.logging.progress import progress_sinks
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.logging.tensorboard_sink import TensorboardSink
from sorrel_recurrent_ppo.experiments.logging.wandb_logging import wandb_sinks
from sorrel_recurrent_ppo.experiments.open_files import allow_open_files
from sorrel_recurrent_ppo.experiments.resume.run_state import next_epoch, saved_sinks
from sorrel_recurrent_ppo.experiments.state_recording import StateSink
from sorrel_recurrent_ppo.recording.agent_view import animate_agent_view
from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["build_logger"]


def build_logger(
    experiment: BuiltExperiment,
    files: RunFiles,
    *,
    state: dict[str, Any] | None,
    plain: bool,
    stop: StopRequest | None = None,
) -> RunLogger:
    """Return the logger of a run, with its sinks open.

    Args:
        experiment: The experiment.
        files: The run's files.
        state: The state from which the run resumes; ``None`` for a new run.
        plain: Show the progress as lines even on a terminal.
        stop: The request to stop, which a live view shows.

    Raises:
        CheckpointError: Rows of completed epochs are missing from the CSV files.
        ConfigError: The config's ``logger`` is invalid, wandb is missing or fails to start, or the
            system does not allow the open files of ``log_turns``.
    """
    config, first_epoch = experiment.config, next_epoch(state)
    last_epoch, quiet = config.experiment.epochs, config.get("quiet", False)
    period, saved = config.log_period, saved_sinks(state)
    if config.log_turns:
        n_agents = len(experiment.population.members)
        allow_open_files(n_agents, f"log_turns=true with {counted(n_agents, 'agent')}")
    if state is not None:
        check_period(period, saved.get("average", {}))
    wandb = wandb_sinks(config, files)  # prints during init: before the live view
    has_events = files.tensorboard.is_dir()
    tensorboard = TensorboardLogger(last_epoch, files.tensorboard)
    tensorboard_sink = TensorboardSink(tensorboard)
    if has_events and not config.log_turns:  # turns have other step numbers than epochs
        tensorboard_sink.purge_from(first_epoch - first_epoch % period)
    csv = CsvSink(files, is_averaged=period > 1, kept=saved.get("csv"))
    stateful: dict[str, StatefulSink] = {"csv": csv}
    written: list[Sink] = [csv, tensorboard_sink]
    of_epochs = [
        *_state_sinks(experiment, files),
        *progress_sinks(Console(), last_epoch, plain=plain, quiet=quiet, stop=stop),
    ]
    if period > 1:
        stateful["average"] = PeriodAverage([*written, *wandb], period, saved.get("average"))
        sinks = [*of_epochs, stateful["average"]]
    else:
        sinks = [*written, *of_epochs, *wandb]  # wandb prints on close: after the view
    turn_logger = tensorboard if config.log_turns else None
    logger = RunLogger(
        experiment.population, config, sinks, turn_logger=turn_logger, stateful=stateful
    )
    logger.skip_until(first_epoch)
    return logger


def _state_sinks(experiment: BuiltExperiment, files: RunFiles) -> list[Sink]:
    config, population = experiment.config, experiment.population
    if not config.get("record_states"):
        return []

    def animate(states: RecordedStates) -> None:
        view = files.agent_view(states.subject.agent, states.epochs[0])
        animate_agent_view(states, view)

    on_recorded = animate if config.experiment.get("animate", False) else None
    period, limit = config.experiment.record_period, config.record_states_limit
    return [StateSink(population, files, period=period, limit=limit, on_recorded=on_recorded)]
