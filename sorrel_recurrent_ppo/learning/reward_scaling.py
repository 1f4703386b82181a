"""Scaling of rewards by the running magnitude of the discounted return."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["ReturnScale"]


@dataclass
class ReturnScale:
    """Root mean square of the discounted return over all steps so far.

    After Engstrom et al. 2020 (arXiv:2005.12729), who divide by the standard deviation; the root
    mean square also works if the return hardly varies. Rewards are divided, never shifted: a shift
    would change the optimal policy of an agent that can end its episode.

    Attributes:
        gamma: Discount.
        count: Number of steps.
        sum_of_squares: Sum of the squared discounted returns at these steps.
        running_return: Discounted return of the running episode.
    """

    gamma: float
    count: int = 0
    sum_of_squares: float = 0.0
    running_return: float = 0.0

    def observe(self, rewards: np.ndarray, episode_ends: np.ndarray) -> None:
        """Update the statistics.

        Args:
            rewards: Rewards in time order, ``(N,)``.
            episode_ends: Whether the return restarts after each step, ``(N,)``.
        """
        for reward, ends in zip(rewards.tolist(), episode_ends.tolist(), strict=True):
            self.running_return = self.gamma * self.running_return + reward
            self.sum_of_squares += self.running_return**2
            if ends:
                self.running_return = 0.0
        self.count += len(rewards)

    @property
    def scale(self) -> float:
        """The divisor of the rewards; 1 while all returns have been zero."""
        return math.sqrt(self.sum_of_squares / self.count) if self.sum_of_squares > 0.0 else 1.0
