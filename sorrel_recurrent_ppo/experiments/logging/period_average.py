"""Averages of several epochs as one record, which keeps the files of long runs small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.logging.epoch_records import (
    AgentRecord,
    EpochRecord,
    Sink,
)

__all__ = ["MAX_ROWS", "PeriodAverage", "check_period", "default_log_period"]

MAX_ROWS = 20_000  # of an agent, with the default period

_COUNTERS = ("train/n_updates",)  # of which the latest value is meant, not the mean


def default_log_period(last_epoch: int) -> int:
    """Return the epochs to average so that a run has at most `MAX_ROWS` rows per agent.

    Args:
        last_epoch: The number of the run's last epoch; they are counted from 0.

    Returns:
        1, 2 or 5 times a power of ten.
    """
    power = 1
    while True:
        for period in (power, 2 * power, 5 * power):
            if last_epoch + 1 <= MAX_ROWS * period:
                return period
        power *= 10


def check_period(period: int, state: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless a saved state is of the given period; 1 if it has none."""
    saved = state.get("period", 1)
    if saved != period:
        raise CheckpointError(
            f"expected log_period={saved} (from the run's state), found log_period={period}"
        )


@dataclass
class _Means:
    """Running means of values by name, each over the records that have it."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name in _COUNTERS:
                self.sums[name], self.counts[name] = float(value), 1
            else:
                self.sums[name] = self.sums.get(name, 0.0) + float(value)
                self.counts[name] = self.counts.get(name, 0) + 1

    def values(self) -> dict[str, float]:
        return {name: total / self.counts[name] for name, total in self.sums.items()}


@dataclass
class _Agent:
    """What an agent has done in the running period; see `AgentRecord`."""

    name: str
    index: int
    model: str
    kind: str
    epoch: int
    n_epochs: int = 0
    reward: float = 0.0
    diagnostics: _Means = field(default_factory=_Means)

    @classmethod
    def from_state(cls, saved: Mapping[str, Any]) -> Self:
        return cls(**{**saved, "diagnostics": _Means(**saved["diagnostics"])})

    def add(self, record: AgentRecord, epoch: int) -> None:
        self.index, self.model, self.kind, self.epoch = (
            *(record.index, record.model, record.kind),
            epoch,
        )
        self.n_epochs += 1
        self.reward += record.reward
        self.diagnostics.add(record.diagnostics)

    def record(self) -> AgentRecord:
        return AgentRecord(
            *(self.name, self.index, self.model, self.reward / self.n_epochs),
            diagnostics=self.diagnostics.values(),
            kind=self.kind,
            epoch=self.epoch,
            n_epochs=self.n_epochs,
        )


class PeriodAverage:
    """A sink that writes the averages of each period of epochs to other sinks.

    A period ends with the epochs ``period - 1``, ``2 * period - 1``, ... Rewards, losses and other
    values are means over its epochs, and those of an agent over the epochs in which it was present.
    Steps and wall time of the epochs are sums; counters are those of the last epoch.

    Args:
        sinks: The sinks that get the averages; they are closed with this one.
        period: Number of epochs.
        state: What :meth:`state_dict` returned, for a resumed run.
    """

    def __init__(
        self, sinks: Sequence[Sink], period: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._sinks = sinks
        self._period = period
        self._start()
        if state is not None:
            self._last, self._n_epochs = state["last"], state["n_epochs"]
            self._epoch_steps, self._seconds = state["epoch_steps"], state["seconds"]
            self._world, self._values = _Means(**state["world"]), _Means(**state["values"])
            self._agents = {saved["name"]: _Agent.from_state(saved) for saved in state["agents"]}

    def _start(self) -> None:
        self._last = {"epoch": -1, "steps": 0}
        self._n_epochs, self._epoch_steps, self._seconds = 0, 0, 0.0
        self._world, self._values = _Means(), _Means()
        self._agents: dict[str, _Agent] = {}

    def write(self, record: EpochRecord) -> None:
        """Add an epoch, and write the averages if it is the last of its period."""
        self._last = {"epoch": record.epoch, "steps": record.steps}
        self._n_epochs += 1
        self._epoch_steps += record.epoch_steps
        self._seconds += record.seconds
        self._world.add({"reward": record.reward, "loss": record.loss, "epsilon": record.epsilon})
        self._values.add(record.values)
        for agent in record.agents:
            if agent.name not in self._agents:
                self._agents[agent.name] = _Agent(
                    agent.name, agent.index, agent.model, agent.kind, record.epoch
                )
            self._agents[agent.name].add(agent, record.epoch)
        if (record.epoch + 1) % self._period == 0:
            self.flush()

    def flush(self) -> None:
        """Write the averages of the epochs since the last period, if there are any."""
        if not self._n_epochs:
            return
        means = self._world.values()
        record = EpochRecord(
            epoch=self._last["epoch"],
            reward=means["reward"],
            loss=means["loss"],
            epsilon=means["epsilon"],
            steps=self._last["steps"],
            epoch_steps=self._epoch_steps,
            seconds=self._seconds,
            values=self._values.values(),
            agents=[agent.record() for agent in self._agents.values()],
            n_epochs=self._n_epochs,
        )
        self._start()
        for sink in self._sinks:
            sink.write(record)

    def close(self) -> None:
        """Write the epochs since the last period, and close the other sinks."""
        with ExitStack() as closing:
            for sink in reversed(self._sinks):
                closing.callback(sink.close)
            self.flush()

    def state_dict(self) -> dict[str, Any]:
        """Return the state within a period as plain values."""
        return {
            "period": self._period,
            "last": dict(self._last),
            "n_epochs": self._n_epochs,
            "epoch_steps": self._epoch_steps,
            "seconds": self._seconds,
            "world": asdict(self._world),
            "values": asdict(self._values),
            "agents": [asdict(agent) for agent in self._agents.values()],
        }
