"""The logger of a run: turns what Sorrel's runner reports into epoch records for the sinks."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import numpy as np
from omegaconf import DictConfig
from sorrel.utils.logging import Logger, TensorboardLogger
from sorrel.utils.turn_stats import TurnStats

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.logging.epoch_records import (
    AGENT_REWARD,
    AgentRecord,
    EpochRecord,
    Sink,
    StatefulSink,
)
from sorrel_recurrent_ppo.experiments.logging.period_average import PeriodAverage
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.registry import is_ppo_model

__all__ = ["RunLogger"]

_log = logging.getLogger(__name__)


class RunLogger(Logger):
    """Sorrel's logger interface over any number of sinks.

    The lists of Sorrel's loggers, such as ``rewards``, stay empty: they would grow with the run.

    Args:
        population: The agents by their lasting names.
        config: The config of the experiment.
        sinks: Destinations of each epoch, in this order.
        turn_logger: A Sorrel logger for every turn, or ``None``.
        stateful: Those of the sinks whose states are a part of the run's, by name.
    """

    def __init__(
        self,
        population: Population,
        config: DictConfig,
        sinks: Sequence[Sink],
        turn_logger: Logger | None = None,
        stateful: Mapping[str, StatefulSink] = MappingProxyType({}),
    ) -> None:
        super().__init__(config.experiment.epochs)
        self.n_epochs = 0
        self.steps = 0
        self.turns = 0
        self.seconds = 0.0
        self._last_recorded = -1
        self._first_epoch = 0
        self._is_restored = True
        self._has_warned = False
        self._population = population
        self._sinks = sinks
        self._turn_logger = turn_logger
        self._stateful = stateful
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
        """Record an epoch that Sorrel's runner has finished; ignore skipped ones.

        Raises:
            CheckpointError: The state from which the run resumes has not been restored.
        """
        if epoch < self._first_epoch:
            return
        if not self._is_restored:
            raise CheckpointError(
                f"the run cannot resume: epoch {epoch} has ended, and the saved state has not been "
                "restored, because the environment was not reset, and took no turn by take_turn "
                "after an epoch was recorded"
            )
        self._check_count(epoch)
        now = time.perf_counter()
        turns, epoch_steps = _count_steps(self._population)
        self.turns += turns
        self.steps += epoch_steps
        record = EpochRecord(
            epoch=epoch,
            reward=float(reward),
            loss=float(loss),
            epsilon=float(epsilon),
            steps=self.steps,
            epoch_steps=epoch_steps,
            seconds=now - self._epoch_started,
            values=_without_agent_rewards(_flatten(kwargs)),
            agents=self._agent_records(),
        )
        self._epoch_started = now
        self._last_recorded = epoch
        self.n_epochs += 1
        self.seconds += record.seconds
        for sink in self._sinks:
            sink.write(record)

    def _check_count(self, epoch: int) -> None:
        """Warn once if the population has not noticed that the epoch began, and count it."""
        counted = self._population.epoch
        if epoch <= counted:
            return
        self._population.epoch = epoch
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "epoch %d is recorded, but only epochs 0 to %d have begun with a reset, or with a "
                "call of take_turn after a recorded epoch: in other epochs nothing is saved until "
                "the run ends, schedules do not fire, and agents' rewards are sums over epochs",
                *(epoch, counted),
            )

    def record_missing_epoch(self, runner: Any, epoch: int) -> None:
        """Record an epoch that the code which ran it has not recorded.

        Its loss is the sum of the latest updates' losses.

        Args:
            runner: The object that runs the epoch.
            epoch: The epoch.
        """
        if epoch <= self._last_recorded:
            return
        models = [member.agent.model for member in self._population.members]
        losses = [getattr(model, "diagnostics", {}).get("train/loss", 0.0) for model in models]
        self.record_epoch(
            epoch,
            loss=sum(losses),
            reward=sum(member.epoch_reward for member in self._population.members),
            epsilon=float(getattr(models[0], "epsilon", 0.0)) if models else 0.0,
        )

    def skip_until(self, n_epochs: int) -> None:
        """Ignore the first epochs, which an earlier process has recorded."""
        self._first_epoch = n_epochs
        self._is_restored = n_epochs == 0

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and the states of sinks as plain values."""
        return {
            "n_epochs": self.n_epochs,
            "steps": self.steps,
            "turns": self.turns,
            "seconds": self.seconds,
            "sinks": {name: sink.state_dict() for name, sink in self._stateful.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore the counters that :meth:`state_dict` returned; the next epoch begins now."""
        self.steps, self.turns, self.seconds = saved["steps"], saved["turns"], saved["seconds"]
        if isinstance(self._turn_logger, TensorboardLogger):
            self._turn_logger._global_step = self.turns
        # Version 0.1.0 saved the rewards of all epochs.
        self.n_epochs = saved["n_epochs"] if "n_epochs" in saved else len(saved["rewards"])
        self._last_recorded = self._first_epoch - 1
        self._is_restored = True
        self._epoch_started = time.perf_counter()

    def write_open_period(self) -> None:
        """Write the averages of the epochs since the last period; none are recorded afterwards."""
        for sink in self._sinks:
            if isinstance(sink, PeriodAverage):
                sink.flush()

    def close(self) -> None:
        """Close every sink, even if closing one fails, as on a full disk."""
        with ExitStack() as closing:
            for sink in reversed(self._sinks):
                closing.callback(sink.close)

    def _agent_records(self) -> list[AgentRecord]:
        return [
            AgentRecord(
                name=member.name,
                index=member.index,
                model=member.model_name,
                kind=member.kind,
                reward=member.epoch_reward,
                diagnostics=_diagnostics(member.agent.model),
            )
            for member in self._population.members
        ]


def _diagnostics(model: Any) -> Mapping[str, float]:
    """Return what a model reports: a recurrent PPO its latest update, others their epsilon."""
    if is_ppo_model(model):
        return model.diagnostics
    return {"epsilon": float(model.epsilon)} if hasattr(model, "epsilon") else {}


def _count_steps(population: Population) -> tuple[int, int]:
    """Return the turns and the agent steps of the current epoch."""
    if not population.is_lockstep:
        turns = population.environments[0].turn
        return turns, turns * len(population.members)
    steps = [member.n_steps for member in population.members]
    return max(steps, default=0), sum(steps)


def _without_agent_rewards(values: Mapping[str, float]) -> dict[str, float]:
    """Remove single agents' rewards, which the agents' records contain."""
    return {n: value for n, value in values.items() if not n.startswith(AGENT_REWARD)}


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
