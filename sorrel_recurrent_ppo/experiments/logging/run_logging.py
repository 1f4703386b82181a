"""Epoch records of a run, and the sinks they are written to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sorrel.environment import Environment
from sorrel.utils.logging import Logger, TensorboardLogger
from sorrel.utils.turn_stats import TurnStats
from tensorboard.compat.proto.event_pb2 import (  # generated names
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import CsvTable

__all__ = [
    "AgentRecord",
    "CsvSink",
    "EpochRecord",
    "RunLogger",
    "Sink",
    "TensorboardSink",
    "scalars",
]

AGENT_REWARD = "reward/"  # prefix of single agents' reward metrics


@dataclass(frozen=True)
class AgentRecord:
    """The record of one agent in one epoch.

    Attributes:
        name: Its lasting name.
        index: Its index in ``env.agents``.
        model: Its model's registry name.
        reward: Its reward of the epoch, summed over the turns.
        diagnostics: Metrics of its model's latest update; empty for models that report none.
        kind: Its kind.
    """

    name: str
    index: int
    model: str
    reward: float
    diagnostics: Mapping[str, float]
    kind: str = ""


@dataclass(frozen=True)
class EpochRecord:
    """The record of one epoch.

    Attributes:
        epoch: Its number, from 0.
        reward: The world's total reward.
        loss: The sum of the agents' losses.
        epsilon: The first agent's epsilon.
        steps: Agent steps since the start of the run.
        epoch_steps: Agent steps of this epoch.
        seconds: Wall time of this epoch.
        values: Other metrics of the environment and its models, by name.
        agents: One record per agent.
    """

    epoch: int
    reward: float
    loss: float
    epsilon: float
    steps: int
    epoch_steps: int
    seconds: float
    values: Mapping[str, float]
    agents: Sequence[AgentRecord]

    @property
    def fps(self) -> float:
        """Agent steps per second of wall time, acting and training together."""
        return self.epoch_steps / self.seconds


def scalars(record: EpochRecord) -> dict[str, float]:
    """Return an epoch's values by the metric names used in dashboards.

    Returns:
        ``time/fps`` and ``time/seconds``; each agent's ``reward/<name>``; the metrics of the
        environment and the models, averaged over the agents (``train/value_loss``); and those of
        each model (``agent_<name>/train/value_loss``).
    """
    named = {"time/fps": record.fps, "time/seconds": record.seconds, **record.values}
    for agent in record.agents:
        named[f"{AGENT_REWARD}{agent.name}"] = agent.reward
        for name, value in agent.diagnostics.items():
            named[f"agent_{agent.name}/{name}"] = value
    return named


class Sink(Protocol):
    """A destination of epoch records."""

    def write(self, record: EpochRecord) -> None:
        """Write one epoch."""

    def close(self) -> None:
        """Flush and close; nothing is written afterwards."""


class RunLogger(Logger):
    """Sorrel's logger interface over any number of sinks.

    Args:
        env: The environment whose epochs are recorded.
        population: Its agents by their lasting names.
        sinks: Destinations of each epoch, in this order.
        turn_logger: A Sorrel logger for every turn, or ``None``.
    """

    def __init__(
        self,
        env: Environment,
        population: Population,
        sinks: Sequence[Sink],
        turn_logger: Logger | None = None,
    ) -> None:
        super().__init__(env.config.experiment.epochs)
        self.steps = 0
        self.turns = 0
        self.seconds = 0.0
        self._first_epoch = 0
        self._env = env
        self._population = population
        self._sinks = sinks
        self._turn_logger = turn_logger
        self._epoch_started = time.perf_counter()

    def record_step(self, stats: TurnStats) -> None:
        """Forward a turn to the turn logger."""
        if self._turn_logger is not None:
            self._turn_logger.record_step(stats)

    def record_epoch(
        self,
        epoch: int,
        loss: float | np.ndarray,
        reward: float | np.ndarray,
        epsilon: float = 0,
        **kwargs: Any,
    ) -> None:
        """Record an epoch that Sorrel's runner has finished; ignore skipped ones."""
        if epoch < self._first_epoch:
            return
        super().record_epoch(epoch, loss, reward, epsilon, **kwargs)
        now = time.perf_counter()
        epoch_steps = self._env.turn * len(self._population.members)
        self.turns += self._env.turn
        self.steps += epoch_steps
        record = EpochRecord(
            epoch=epoch,
            reward=float(reward),
            loss=float(loss),
            epsilon=float(epsilon),
            steps=self.steps,
            epoch_steps=epoch_steps,
            seconds=now - self._epoch_started,
            values=self._of_all_agents(_flatten(kwargs)),
            agents=self._agent_records(),
        )
        self._epoch_started = now
        self.seconds += record.seconds
        for sink in self._sinks:
            sink.write(record)

    def skip_until(self, n_epochs: int) -> None:
        """Ignore the first epochs, which an earlier process has recorded."""
        self._first_epoch = n_epochs

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and rewards as plain values."""
        return {
            "steps": self.steps,
            "turns": self.turns,
            "seconds": self.seconds,
            "rewards": [float(reward) for reward in self.rewards],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore the counters that :meth:`state_dict` returned; the next epoch begins now."""
        self.steps, self.turns, self.seconds = saved["steps"], saved["turns"], saved["seconds"]
        if isinstance(self._turn_logger, TensorboardLogger):
            self._turn_logger._global_step = self.turns
        self.rewards = list(saved["rewards"])
        self._epoch_started = time.perf_counter()

    def close(self) -> None:
        """Close every sink, even if closing one fails, as on a full disk."""
        with ExitStack() as closing:
            for sink in reversed(self._sinks):
                closing.callback(sink.close)

    @staticmethod
    def _of_all_agents(values: Mapping[str, float]) -> dict[str, float]:
        """Remove single agents' rewards, which the agents' records contain."""
        return {n: value for n, value in values.items() if not n.startswith(AGENT_REWARD)}

    def _agent_records(self) -> list[AgentRecord]:
        return [
            AgentRecord(
                name=member.name,
                index=member.index,
                model=member.model_name,
                kind=member.kind,
                reward=member.epoch_reward,
                diagnostics=getattr(member.agent.model, "diagnostics", {}),
            )
            for member in self._population.members
        ]


class CsvSink:
    """Writes ``metrics.csv``, a row per epoch, and ``agents.csv``, a row per epoch and agent.

    Args:
        files: The run's files.
        n_agents: Number of agents in the environment.
        first_epoch: The epoch from which the run resumes; the rows before it are kept.

    Raises:
        CheckpointError: Rows before ``first_epoch`` are missing.
    """

    def __init__(self, files: RunFiles, *, n_agents: int = 0, first_epoch: int = 0) -> None:
        self._metrics = CsvTable(
            files.metrics,
            ["epoch", "reward", "loss", "epsilon", "steps", "seconds"],
            n_kept=first_epoch,
        )
        try:
            self._agents = CsvTable(
                files.agents,
                ["epoch", "agent", "index", "model", "kind", "reward"],
                n_kept=first_epoch * n_agents,
            )
        except (CheckpointError, OSError):
            self._metrics.close()
            raise

    def write(self, record: EpochRecord) -> None:
        """Append the epoch's rows."""
        self._metrics.append(
            {
                "epoch": record.epoch,
                "reward": record.reward,
                "loss": record.loss,
                "epsilon": record.epsilon,
                "steps": record.steps,
                "seconds": f"{record.seconds:.4f}",
                **record.values,
            }
        )
        for agent in record.agents:
            self._agents.append(
                {
                    "epoch": record.epoch,
                    "agent": agent.name,
                    "index": agent.index,
                    "model": agent.model,
                    "kind": agent.kind,
                    "reward": agent.reward,
                    **agent.diagnostics,
                }
            )

    def close(self) -> None:
        """Close both files."""
        self._metrics.close()
        self._agents.close()


class TensorboardSink:
    """Writes through Sorrel's TensorBoard logger: its own tags, and all `scalars`."""

    def __init__(self, logger: TensorboardLogger) -> None:
        self._logger = logger

    def purge_from(self, epoch: int) -> None:
        """Discard what an earlier process wrote from this epoch on."""
        restart = Event(session_log=SessionLog(status=SessionLog.START))
        self._logger.writer._get_file_writer().add_event(restart, step=epoch)

    def write(self, record: EpochRecord) -> None:
        """Write the epoch's scalars."""
        self._logger.record_epoch(
            record.epoch, record.loss, record.reward, record.epsilon, **scalars(record)
        )

    def close(self) -> None:
        """Flush and close the writer."""
        self._logger.writer.close()


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Flatten a nested mapping to one name per number, such as ``encounters/DeckA``."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif isinstance(value, np.ndarray) and value.size != 1:
            numbered = {str(i): element for i, element in enumerate(value.ravel())}
            flat |= _flatten(numbered, f"{prefix}{name}/")
        elif value is not None:
            flat[f"{prefix}{name}"] = float(value)
    return flat
