"""Cutting a rollout into sequences and grouping them into minibatches.

Pure functions on integer arrays; steps are numbered in time order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

__all__ = ["SequenceGrid", "burn_in_starts", "cut_sequences", "fill_minibatches", "pad_sequences"]


def cut_sequences(episode_starts: np.ndarray, sequence_length: int) -> tuple[np.ndarray, ...]:
    """Cut steps into sequences that cross no episode start.

    An episode of ``L`` steps becomes ``ceil(L / sequence_length)`` sequences whose lengths differ
    by at most one, the longer ones first: short remainders would shorten the backpropagation
    through time and pad minibatches heavily.

    Args:
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        sequence_length: The maximum sequence length.

    Returns:
        The first step and the length of each sequence, both ``(S,)``; together the sequences cover
        every step once.
    """
    starts: list[int] = []
    lengths: list[int] = []
    edges = np.flatnonzero(episode_starts).tolist()
    edges = [*([] if edges[:1] == [0] else [0]), *edges, len(episode_starts)]
    for first, end in itertools.pairwise(edges):
        n_parts = -(-(end - first) // sequence_length)
        for part in np.array_split(np.arange(first, end), n_parts) if n_parts else ():
            starts.append(int(part[0]))
            lengths.append(len(part))
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def burn_in_starts(starts: np.ndarray, episode_starts: np.ndarray, burn_in: int) -> np.ndarray:
    """Return the first burn-in step of each sequence.

    Args:
        starts: First step of each sequence, ``(S,)``.
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        burn_in: Maximum number of burn-in steps.

    Returns:
        The step ``burn_in`` before each sequence, or the first step of its episode if that is
        later, ``(S,)``.
    """
    steps = np.arange(len(episode_starts))
    episode_start = np.maximum.accumulate(np.where(episode_starts, steps, 0))
    return np.maximum(starts - burn_in, episode_start[starts])


def fill_minibatches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Distribute shuffled sequences over minibatches of about ``batch_size`` steps.

    There are ``round(total / batch_size)`` minibatches, at least one, as equal in their number of
    steps as uncut sequences allow.

    Args:
        lengths: Length of each sequence, ``(S,)``.
        batch_size: Target number of steps of a minibatch.
        rng: Generator of the shuffling.

    Returns:
        The indices of the sequences of each minibatch; none is empty.
    """
    order = rng.permutation(len(lengths))
    total = int(lengths.sum())
    n_minibatches = max(1, round(total / batch_size))
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    share = np.minimum((middles * n_minibatches / total).astype(np.int64), n_minibatches - 1)
    groups = (order[share == k] for k in range(n_minibatches))
    return [group for group in groups if len(group)]


@dataclass(frozen=True)
class SequenceGrid[Indices]:
    """Sequences in the columns of a ``(T, B)`` grid, without its padding.

    ``Indices`` is the type of the index arrays: numpy's here, tensors on the policy's device.

    Attributes:
        steps: The steps in time-major order of the grid, ``(N,)``.
        positions: Their ascending indices in the flattened grid, ``(N,)``: without padding
            ``0, 1, ..., N - 1``.
        n_steps: ``T``, the length of the longest sequence.
    """

    steps: Indices
    positions: Indices
    n_steps: int


def pad_sequences(starts: np.ndarray, lengths: np.ndarray) -> SequenceGrid[np.ndarray]:
    """Arrange sequences in a grid, each from the top of its column.

    Args:
        starts: First step of each sequence, ``(B,)``.
        lengths: Length of each sequence, ``(B,)``.
    """
    offsets = np.arange(int(lengths.max()))[:, None]
    real = offsets < lengths
    return SequenceGrid((starts + offsets)[real], np.flatnonzero(real), len(offsets))
