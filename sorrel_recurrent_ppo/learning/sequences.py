"""Cutting a rollout into sequences, and gathering them into minibatches.

Pure functions on arrays of integers; steps are numbered in the order in which they were taken.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

__all__ = ["SequenceGrid", "burn_in_starts", "cut_sequences", "fill_minibatches", "pad_sequences"]


def cut_sequences(episode_starts: np.ndarray, sequence_length: int) -> tuple[np.ndarray, ...]:
    """Cut steps into sequences that cross no start of an episode.

    An episode of ``L`` steps becomes ``ceil(L / sequence_length)`` sequences whose lengths differ
    by at most one, the longer ones first: short remainders would give gradients little way back in
    time, and minibatches much padding.

    Args:
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        sequence_length: The longest sequence wanted.

    Returns:
        The first step and the length of each sequence, both ``(S,)``, covering every step once.
    """
    starts, lengths = [], []
    edges = np.flatnonzero(episode_starts).tolist()
    edges = [*([] if edges[:1] == [0] else [0]), *edges, len(episode_starts)]
    for first, end in itertools.pairwise(edges):
        n_parts = -(-(end - first) // sequence_length)
        for part in np.array_split(np.arange(first, end), n_parts) if n_parts else ():
            starts.append(part[0])
            lengths.append(len(part))
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def burn_in_starts(starts: np.ndarray, episode_starts: np.ndarray, burn_in: int) -> np.ndarray:
    """Return from which step on each sequence is warmed up.

    Args:
        starts: First step of each sequence, ``(S,)``.
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        burn_in: How many steps back to go, if the episode is that old.

    Returns:
        For each sequence the step ``burn_in`` before it, or its episode's first one, ``(S,)``.
    """
    steps = np.arange(len(episode_starts))
    episode_start = np.maximum.accumulate(np.where(episode_starts, steps, 0))
    return np.maximum(starts - burn_in, episode_start[starts])


def fill_minibatches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Deal shuffled sequences out to minibatches of about ``batch_size`` steps.

    There are ``round(total / batch_size)`` minibatches, at least one, each as near to an equal
    share of the steps as whole sequences allow.

    Args:
        lengths: Length of each sequence, ``(S,)``.
        batch_size: Steps wanted in a minibatch.
        rng: Where the shuffling draws from.

    Returns:
        Indices of sequences, an array per minibatch, none empty.
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
    """Sequences side by side on a ``(T, B)`` grid, without its padding.

    ``Indices`` is the type of its arrays: numpy's here, a tensor where it is used.

    Attributes:
        steps: The steps, row after row of the grid, ``(N,)``.
        positions: Where each stands in the flattened grid, ascending, ``(N,)``: without padding
            ``0, 1, ..., N - 1``.
        n_steps: ``T``, the longest sequence.
    """

    steps: Indices
    positions: Indices
    n_steps: int


def pad_sequences(starts: np.ndarray, lengths: np.ndarray) -> SequenceGrid[np.ndarray]:
    """Lay sequences side by side, each from the top of its column.

    Args:
        starts: First step of each sequence, ``(B,)``.
        lengths: Length of each sequence, ``(B,)``.
    """
    rows = np.arange(lengths.max())[:, None]
    real = rows < lengths
    return SequenceGrid((starts + rows)[real], np.flatnonzero(real), len(rows))
