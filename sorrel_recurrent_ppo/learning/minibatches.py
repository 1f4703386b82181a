"""The minibatches of an update, as indices of steps on the policy's device.

All passes are drawn before the first one, so that their indices go to the device in one transfer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sorrel_recurrent_ppo.learning.sequences import (
    SequenceGrid,
    burn_in_starts,
    cut_sequences,
    fill_minibatches,
    pad_sequences,
)
from sorrel_recurrent_ppo.learning.settings import PPOSettings

__all__ = ["BurnIn", "Minibatch", "draw_passes"]


@dataclass(frozen=True)
class BurnIn:
    """Steps before sequences that only warm their states up (R2D2's burn-in).

    Attributes:
        columns: Which of the minibatch's sequences have such steps, ``(W,)``.
        lengths: How many, ``(W,)``, on the CPU.
        grid: The steps, a column for each of these sequences.
    """

    columns: Tensor
    lengths: Tensor
    grid: SequenceGrid[Tensor]


@dataclass(frozen=True)
class Minibatch:
    """Some sequences.

    Attributes:
        state_steps: The step before which each sequence's state is taken from the rollout,
            ``(B,)``: its first one, or that of its warm-up.
        grid: The steps to learn from.
        burn_in: Steps to run from there to the sequences' first steps; ``None`` for none.
    """

    state_steps: Tensor
    grid: SequenceGrid[Tensor]
    burn_in: BurnIn | None


def draw_passes(
    episode_starts: np.ndarray,
    settings: PPOSettings,
    rng: np.random.Generator,
    device: torch.device,
) -> list[list[Minibatch]]:
    """Deal a rollout's sequences out to minibatches, anew for each of ``n_epochs`` passes.

    Args:
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        settings: ``sequence_length``, ``burn_in``, ``batch_size`` and ``n_epochs``.
        rng: Where the shuffling draws from.
        device: Where the indices go.

    Returns:
        The minibatches of each pass.
    """
    starts, lengths = cut_sequences(episode_starts, settings.sequence_length)
    passes = [fill_minibatches(lengths, settings.batch_size, rng) for _ in range(settings.n_epochs)]
    layouts = [
        _lay_out(starts[chosen], lengths[chosen], episode_starts, settings.burn_in)
        for minibatches in passes
        for chosen in minibatches
    ]
    arrays = [array for layout in layouts for array in layout.indices()]
    indices = iter(_on_device(arrays, device))
    ready = iter([layout.with_indices(indices) for layout in layouts])
    return [[next(ready) for _ in minibatches] for minibatches in passes]


@dataclass(frozen=True)
class _Layout:
    """A minibatch before its indices are on the device."""

    state_steps: np.ndarray
    grid: SequenceGrid[np.ndarray]
    burn_in_columns: np.ndarray
    burn_in_lengths: np.ndarray
    burn_in_grid: SequenceGrid[np.ndarray] | None

    def indices(self) -> list[np.ndarray]:
        """Return what goes to the device, in the order in which it is taken back."""
        grids = [self.grid] if self.burn_in_grid is None else [self.grid, self.burn_in_grid]
        arrays = [array for grid in grids for array in (grid.steps, grid.positions)]
        return [self.state_steps, *arrays, self.burn_in_columns]

    def with_indices(self, indices: Iterator[Tensor]) -> Minibatch:
        """Take the indices back, as tensors."""
        state_steps = next(indices)
        grid = SequenceGrid(next(indices), next(indices), self.grid.n_steps)
        if self.burn_in_grid is None:
            next(indices)
            return Minibatch(state_steps, grid, None)
        burn_in_grid = SequenceGrid(next(indices), next(indices), self.burn_in_grid.n_steps)
        lengths = torch.from_numpy(self.burn_in_lengths)
        return Minibatch(state_steps, grid, BurnIn(next(indices), lengths, burn_in_grid))


def _lay_out(
    starts: np.ndarray, lengths: np.ndarray, episode_starts: np.ndarray, burn_in: int
) -> _Layout:
    state_steps = burn_in_starts(starts, episode_starts, burn_in)
    burn_in_lengths = starts - state_steps
    columns = np.flatnonzero(burn_in_lengths)
    warm = pad_sequences(state_steps[columns], burn_in_lengths[columns]) if len(columns) else None
    return _Layout(
        state_steps, pad_sequences(starts, lengths), columns, burn_in_lengths[columns], warm
    )


def _on_device(arrays: Sequence[np.ndarray], device: torch.device) -> Sequence[Tensor]:
    """Return arrays of indices as tensors, moved in one transfer."""
    together = torch.as_tensor(np.concatenate(arrays), device=device)
    return together.split([len(array) for array in arrays])
