"""The extent of the throughput benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from peers import SB3_BATCH_SIZES

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True)
class Effort:
    """The extent of the measurements.

    Attributes:
        rounds: Number of measurements of each contestant.
        turns: Number of actions per measurement of acting.
        sb3_batch_sizes: The minibatch sizes of sb3-contrib.
        cleanup_rounds: Number of measurements of the cleanup runs.
        cleanup_rollout: Number of agent steps of a cleanup run, which ends with one update;
            ``None`` for the packaged rollout length.
        rollout_lengths: The rollout lengths at which the cost of a step is compared.
        growth_epochs: Number of epochs over which the growth of memory is measured.
    """

    rounds: int
    turns: int
    sb3_batch_sizes: tuple[int, ...]
    cleanup_rounds: int
    cleanup_rollout: int | None
    rollout_lengths: tuple[int, ...]
    growth_epochs: int


FULL = Effort(
    rounds=5,
    turns=2_000,
    sb3_batch_sizes=SB3_BATCH_SIZES,
    cleanup_rounds=7,
    cleanup_rollout=None,
    rollout_lengths=(1_024, 4_096, 16_384),
    growth_epochs=1_000,
)
QUICK = Effort(
    rounds=2,
    turns=500,
    sb3_batch_sizes=SB3_BATCH_SIZES[-2:],
    cleanup_rounds=3,
    cleanup_rollout=100,
    rollout_lengths=(1_024, 16_384),
    growth_epochs=100,
)
