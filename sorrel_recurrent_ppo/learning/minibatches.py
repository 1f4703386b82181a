"""The minibatches of an update, as step indices on the policy's device.

All passes are drawn before the first one, so that a single transfer moves all indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

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
    """Steps before sequences that only refresh the recurrent states (R2D2's burn-in).

    Attributes:
        columns: Indices of the minibatch's sequences with burn-in steps, ``(W,)``.
        lengths: Number of burn-in steps of each of them, ``(W,)``, on the CPU.
        grid: The burn-in steps, one column per such sequence.
    """

    columns: Tensor
    lengths: Tensor
    grid: SequenceGrid[Tensor]


@dataclass(frozen=True)
class Minibatch:
    """A minibatch of ``B`` sequences.

    Attributes:
        state_steps: The steps whose stored states the sequences start from, ``(B,)``: their first
            steps, or their first burn-in steps.
        grid: The steps to learn from.
        burn_in: The burn-in steps; ``None`` if there are none.
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
    """Cut a rollout into sequences and shuffle them into minibatches for each pass.

    Args:
        episode_starts: Whether the state was reset before each step, ``(N,)``.
        settings: ``sequence_length``, ``burn_in``, ``batch_size`` and ``n_epochs``.
        rng: Generator of the shuffling.
        device: Device of the indices.

    Returns:
        The minibatches of each of the ``n_epochs`` passes.
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
    """A minibatch before the transfer of its indices."""

    state_steps: np.ndarray
    grid: SequenceGrid[np.ndarray]
    burn_in_columns: np.ndarray
    burn_in_lengths: np.ndarray
    burn_in_grid: SequenceGrid[np.ndarray] | None

    def indices(self) -> list[np.ndarray]:
        """Return the arrays to transfer, in the order in which `with_indices` reads them."""
        grids = [self.grid] if self.burn_in_grid is None else [self.grid, self.burn_in_grid]
        arrays = [array for grid in grids for array in (grid.steps, grid.positions)]
        return [self.state_steps, *arrays, self.burn_in_columns]

    def with_indices(self, indices: Iterator[Tensor]) -> Minibatch:
        """Build the minibatch from the transferred indices."""
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
    burn_in_grid = (
        pad_sequences(state_steps[columns], burn_in_lengths[columns]) if len(columns) else None
    )
    return _Layout(
        state_steps, pad_sequences(starts, lengths), columns, burn_in_lengths[columns], burn_in_grid
    )


def _on_device(arrays: Sequence[np.ndarray], device: torch.device) -> tuple[Tensor, ...]:
    """Return index arrays as tensors on a device, moved in one transfer."""
    together = torch.as_tensor(np.concatenate(arrays), device=device)
    return cast("tuple[Tensor, ...]", together.split([len(array) for array in arrays]))
