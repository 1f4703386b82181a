"""The policy: encoder, recurrent core and heads, for single steps and padded sequences."""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.encoders import build_encoder
from sorrel_recurrent_ppo.policy.heads import ActorCriticHeads, BranchedCategorical
from sorrel_recurrent_ppo.policy.observations import ObservationLayout
from sorrel_recurrent_ppo.policy.recurrent import CellType, RecurrentCore, State

__all__ = ["RecurrentPolicy", "on_grid"]


class RecurrentPolicy(nn.Module):
    """A recurrent actor-critic.

    Axes: ``B`` sequences, ``T`` time steps, ``D`` values of an observation, ``F`` features,
    ``H`` hidden units.
    """

    def __init__(
        self,
        layout: ObservationLayout,
        cell: CellType,
        action_dims: tuple[int, ...],
        *,
        layer_size: int,
        hidden_size: int,
        layer_norm: bool,
        max_time_constant: float,
    ):
        super().__init__()
        self.encoder = build_encoder(layout, layer_size)
        width = self.encoder.output_size
        self.norm = nn.LayerNorm(width) if layer_norm else nn.Identity()
        self.core = RecurrentCore(cell, width, hidden_size)
        self.heads = ActorCriticHeads(hidden_size, action_dims)
        self._initialise(max_time_constant)

    def _initialise(self, max_time_constant: float) -> None:
        """Set orthogonal weights and zero biases, with the gains of Andrychowicz et al. 2021.

        The gates of the core have biases for time constants from 2 steps to the longest.

        The gain is sqrt(2) before a ReLU, 1 in the core and the critic, and 0.01 in the actor, so
        that the initial policy is close to uniform.
        """
        for module in self.encoder.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                _orthogonal(module, math.sqrt(2))
        for name, parameter in self.core.rnn.named_parameters():
            if "weight" in name:
                # Gate by gate: each square block preserves norms on its own.
                blocks = cast("tuple[Tensor, ...]", parameter.data.split(self.core.hidden_size))
                for gate in blocks:
                    nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(parameter)
        self.core.set_time_constants(max_time_constant)
        _orthogonal(self.heads.actor, 0.01)
        _orthogonal(self.heads.critic, 1.0)

    def features(self, obs: Tensor) -> Tensor:
        """Map observations ``(N, D)`` to the inputs of the core, ``(N, F)``."""
        return self.norm(self.encoder(obs))

    def step(self, obs: Tensor, state: State) -> tuple[BranchedCategorical, Tensor, State]:
        """Advance ``B`` sequences by one step.

        Args:
            obs: Observations ``(B, D)``.
            state: The recurrent state before the step.

        Returns:
            The action distribution, the values ``(B,)`` and the state after the step.
        """
        output, state = self.core.step(self.features(obs), state)
        distribution, value = self.heads(output)
        return distribution, value, state

    def evaluate_sequences(
        self, obs: Tensor, state: State, positions: Tensor, n_steps: int
    ) -> tuple[BranchedCategorical, Tensor]:
        """Evaluate every step of padded sequences.

        The encoder and the heads process real steps only. Padding reaches the core alone, at the
        ends of sequences, where it affects no result.

        Args:
            obs: Observations of the real steps, in time-major order, ``(N, D)``.
            state: The recurrent states before the sequences' first steps.
            positions: Ascending indices of the ``N`` real steps in the flattened ``(T * B)`` grid.
            n_steps: ``T``.

        Returns:
            The action distribution and values of the real steps, in the order of ``obs``.
        """
        n_sequences = (state[0] if isinstance(state, tuple) else state).shape[1]
        grid = on_grid(self.features(obs), positions, n_steps, n_sequences)
        output = self.core(grid, state).flatten(0, 1)  # (T * B, H)
        if len(output) > len(positions):
            output = output.index_select(0, positions)
        return self.heads(output)


def on_grid(features: Tensor, positions: Tensor, n_steps: int, n_sequences: int) -> Tensor:
    """Arrange the features of real steps by time and sequence, padded with zeros.

    Args:
        features: Features of the real steps, in time-major order, ``(N, F)``.
        positions: Ascending indices of the real steps in the flattened ``(T * B)`` grid, ``(N,)``.
        n_steps: ``T``.
        n_sequences: ``B``.

    Returns:
        The padded features, ``(T, B, F)``.
    """
    n_cells = n_steps * n_sequences
    if len(positions) < n_cells:
        padded = features.new_zeros(n_cells, features.shape[1])
        features = padded.index_copy(0, positions, features)
    return cast(Tensor, features.unflatten(0, (n_steps, n_sequences)))


def _orthogonal(module: nn.Linear | nn.Conv2d, gain: float) -> None:
    nn.init.orthogonal_(module.weight, gain)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
