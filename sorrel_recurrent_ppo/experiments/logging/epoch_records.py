"""Records of a run's epochs, and the interface of the sinks they are written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["AGENT_REWARD", "AgentRecord", "EpochRecord", "Sink", "StatefulSink", "scalars"]

AGENT_REWARD = "reward/"  # prefix of single agents' reward metrics


@dataclass(frozen=True)
class AgentRecord:
    """The record of one agent in one epoch, or its means over several.

    Attributes:
        name: Its lasting name.
        index: Its index in the population.
        model: Its model's registry name.
        reward: Its reward of the epoch, summed over the turns.
        diagnostics: Metrics of its model's latest update, or the epsilon of a model that has one.
        kind: Its kind.
        epoch: The latest of several epochs in which it was present; ``None`` for the only one.
        n_epochs: The number of epochs.
    """

    name: str
    index: int
    model: str
    reward: float
    diagnostics: Mapping[str, float]
    kind: str = ""
    epoch: int | None = None
    n_epochs: int = 1


@dataclass(frozen=True)
class EpochRecord:
    """The record of one epoch, or the means of several.

    Attributes:
        epoch: Its number, from 0; of several epochs the last.
        reward: The world's total reward.
        loss: The sum of the agents' losses.
        epsilon: The first agent's epsilon.
        steps: Agent steps since the start of the run.
        epoch_steps: Agent steps of this epoch; of several epochs the sum.
        seconds: Wall time of this epoch; of several epochs the sum.
        values: Other metrics of the environment and its models, by name.
        agents: One record per agent.
        n_epochs: The number of epochs.
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
    n_epochs: int = 1

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


class StatefulSink(Sink, Protocol):
    """A sink whose state is a part of the run's."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values; a resumed run builds the sink with it."""
        ...
