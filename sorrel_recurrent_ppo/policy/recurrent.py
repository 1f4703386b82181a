"""The recurrent core: GRU and LSTM behind one interface.

Nothing outside this file knows that an LSTM's state is a pair. A state is what PyTorch calls it:
``h`` of shape ``(1, B, H)``, or ``(h, c)`` of two such. A *row* is the same state flattened for
storage: ``(B, state_size)`` with ``h`` before ``c``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from sorrel_recurrent_ppo.policy.cpu.gru_sequence import gru_sequence
from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled

__all__ = ["CellType", "RecurrentCore", "State"]

# Up to so many sequences side by side, of more than one step, gru_sequence is faster than
# PyTorch's own on CPUs.
_FEW_SEQUENCES = 32

type CellType = Literal["gru", "lstm"]
type State = Tensor | tuple[Tensor, Tensor]


class RecurrentCore(nn.Module):
    """A single recurrent layer.

    Attributes:
        cell: ``"gru"`` or ``"lstm"``.
        hidden_size: Width ``H`` of the output.
        state_size: Numbers in a state's row: ``H`` for the GRU, ``2 H`` for the LSTM.
    """

    def __init__(self, cell: CellType, input_size: int, hidden_size: int):
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.rnn = (nn.GRU if cell == "gru" else nn.LSTM)(input_size, hidden_size)
        self.state_size = hidden_size * (1 if cell == "gru" else 2)

    def zero_state(self, batch_size: int, device: torch.device | str) -> State:
        """Return the state at the start of an episode for ``batch_size`` sequences."""
        return self.state_from_flat(torch.zeros(batch_size, self.state_size, device=device))

    def state_from_flat(self, rows: Tensor) -> State:
        """Turn ``(B, state_size)`` into a state."""
        if self.cell == "gru":
            return rows.unsqueeze(0)
        h, c = rows.unsqueeze(0).split(self.hidden_size, dim=2)
        return h.contiguous(), c.contiguous()

    def flatten_state(self, state: State) -> Tensor:
        """Turn a state into ``(B, state_size)``."""
        if isinstance(state, tuple):
            state = torch.cat(state, dim=2)
        return state.squeeze(0)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance ``B`` sequences by one step.

        Args:
            x: Features ``(B, F)``.
            state: The state before the step.

        Returns:
            The output ``(B, H)`` and the state after the step.
        """
        # The layer's single-step functions: several times cheaper than a sequence of length 1.
        if isinstance(state, tuple):
            h, c = torch.lstm_cell(x, [state[0][0], state[1][0]], *self.weights())
            return h, (h.unsqueeze(0), c.unsqueeze(0))
        h = torch.gru_cell(x, state[0], *self.weights())
        return h, h.unsqueeze(0)

    def forward(self, x: Tensor, state: State) -> Tensor:
        """Run whole sequences from their starting states.

        Args:
            x: Features ``(T, B, F)``; sequences shorter than ``T`` are padded at their end, where
                the output means nothing and changes nothing before it.
            state: The states before the first step.

        Returns:
            The outputs ``(T, B, H)``.
        """
        if isinstance(state, Tensor) and _uses_gru_kernel(x, state):
            return gru_sequence(x, state[0], *self.weights())
        output, _ = self.rnn(x, state)
        return output

    def state_after(self, x: Tensor, state: State, lengths: Tensor) -> State:
        """Return the state after each sequence's own last step.

        Args:
            x: Features ``(T, B, F)``, padded at the end.
            state: The states before the first step.
            lengths: Steps of each sequence, ``(B,)``, at least 1, on the CPU.
        """
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        _, final = self.rnn(packed, state)
        return final

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights from input and from state, then the biases of both, gate by gate."""
        w_ih, w_hh, b_ih, b_hh = self.rnn.parameters()
        return w_ih, w_hh, b_ih, b_hh


def _uses_gru_kernel(x: Tensor, state: Tensor) -> bool:
    """Whether gru_sequence is to run a GRU's sequences: on CPUs, in numpy's precisions."""
    n_steps, n_sequences, _ = x.shape
    return (
        n_steps > 1
        and n_sequences <= _FEW_SEQUENCES
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.dtype == state.dtype
        and not torch.is_autocast_enabled("cpu")
        and kernels_enabled()
    )
