"""The results of an evaluation, and the names of its modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # imports PyTorch
    from sorrel_recurrent_ppo.reports.saved_agents import SavedAgent

__all__ = ["DETERMINISTIC", "SAMPLED", "EvaluatedEpoch", "Evaluation"]

SAMPLED, DETERMINISTIC = "sampled", "deterministic"


@dataclass(frozen=True)
class EvaluatedEpoch:
    """One evaluated epoch.

    Attributes:
        mode: `SAMPLED` or `DETERMINISTIC`.
        epoch: The number of the epoch, from 0.
        seed: The seed of the random streams.
        reward: The world's total reward.
        agent_rewards: The reward of each agent, by index.
        values: Other metrics of the environment, such as a success rate.
    """

    mode: str
    epoch: int
    seed: int
    reward: float
    agent_rewards: list[float]
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation.

    Attributes:
        agents: The evaluated agents, by index.
        epochs: All epochs of all modes.
    """

    agents: list[SavedAgent]
    epochs: list[EvaluatedEpoch]

    def rewards(self, mode: str) -> np.ndarray:
        """Return a mode's rewards; shape ``(n_epochs, 1 + n_agents)``, the world's total first."""
        epochs = [epoch for epoch in self.epochs if epoch.mode == mode]
        return np.array([[epoch.reward, *epoch.agent_rewards] for epoch in epochs])

    @property
    def modes(self) -> list[str]:
        """The evaluated modes."""
        return list(dict.fromkeys(epoch.mode for epoch in self.epochs))
