"""Bringing rewards of any size to the size that the value function learns well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["ReturnScale"]


@dataclass
class ReturnScale:
    """Root mean square of the discounted return so far, over all steps seen.

    After Engstrom et al. 2020 (arXiv:2005.12729), who divide by the deviation; the root mean
    square also serves where the return hardly varies. Rewards are only divided, never shifted:
    a shift would change what an agent that can end its episode wants.

    Attributes:
        gamma: Discount.
        count: Steps seen.
        sum_of_squares: Of the discounted returns at these steps.
        running_return: Discounted return of the running episode.
    """

    gamma: float
    count: int = 0
    sum_of_squares: float = 0.0
    running_return: float = 0.0

    def observe(self, rewards: np.ndarray, episode_ends: np.ndarray) -> None:
        """Take rewards ``(N,)`` into account; ``episode_ends`` tells where the return restarts."""
        for reward, ends in zip(rewards.tolist(), episode_ends.tolist(), strict=True):
            self.running_return = self.gamma * self.running_return + reward
            self.sum_of_squares += self.running_return**2
            if ends:
                self.running_return = 0.0
        self.count += len(rewards)

    @property
    def scale(self) -> float:
        """What to divide rewards by; 1 as long as there was no reward."""
        return math.sqrt(self.sum_of_squares / self.count) if self.sum_of_squares > 0.0 else 1.0
