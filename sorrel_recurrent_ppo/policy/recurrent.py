"""The recurrent core: GRU and LSTM behind one interface.

A state has PyTorch's form: ``h`` of shape ``(1, B, H)``, or ``(h, c)``, both of that shape. Flat
states are the same numbers for storage, ``(B, state_size)`` with ``h`` before ``c``, so that other
modules need not distinguish the cells.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from sorrel_recurrent_ppo.policy.cpu.gru_sequence import gru_sequence
from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled

__all__ = ["CellType", "RecurrentCore", "State"]

# On CPUs gru_sequence is faster than PyTorch's GRU for up to this many parallel sequences of more
# than one step.
_FEW_SEQUENCES = 32

type CellType = Literal["gru", "lstm"]
type State = Tensor | tuple[Tensor, Tensor]


class RecurrentCore(nn.Module):
    """A single recurrent layer.

    Attributes:
        cell: ``"gru"`` or ``"lstm"``.
        hidden_size: Width ``H`` of the output.
        state_size: Size of a flat state: ``H`` for the GRU, ``2 H`` for the LSTM.
    """

    def __init__(self, cell: CellType, input_size: int, hidden_size: int):
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.rnn = (nn.GRU if cell == "gru" else nn.LSTM)(input_size, hidden_size)
        self.state_size = hidden_size * (1 if cell == "gru" else 2)

    def zero_state(self, batch_size: int, device: torch.device | str) -> State:
        """Return the state of ``batch_size`` sequences at the start of an episode."""
        return self.state_from_flat(torch.zeros(batch_size, self.state_size, device=device))

    def state_from_flat(self, flat_states: Tensor) -> State:
        """Convert flat states ``(B, state_size)`` to a state."""
        if self.cell == "gru":
            return flat_states.unsqueeze(0)
        h, c = cast(
            "tuple[Tensor, Tensor]", flat_states.unsqueeze(0).split(self.hidden_size, dim=2)
        )
        return h.contiguous(), c.contiguous()

    def flatten_state(self, state: State) -> Tensor:
        """Convert a state to flat states ``(B, state_size)``."""
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
        # The single-step functions are several times cheaper than a sequence of length 1.
        if isinstance(state, tuple):
            h, c = torch.lstm_cell(x, [state[0][0], state[1][0]], *self.weights())
            return h, (h.unsqueeze(0), c.unsqueeze(0))
        h = torch.gru_cell(x, state[0], *self.weights())
        return h, h.unsqueeze(0)

    def forward(self, x: Tensor, state: State) -> Tensor:
        """Run complete sequences from their starting states.

        Args:
            x: Features ``(T, B, F)``; sequences shorter than ``T`` are padded at the end, where
                the output is meaningless and does not affect earlier steps.
            state: The states before the first step.

        Returns:
            The outputs ``(T, B, H)``.
        """
        if isinstance(state, Tensor) and _uses_gru_kernel(x, state):
            return gru_sequence(x, state[0], *self.weights())
        output, _ = self.rnn(x, state)
        return output

    def state_after(self, x: Tensor, state: State, lengths: Tensor) -> State:
        """Return the state after the last step of each sequence.

        Args:
            x: Features ``(T, B, F)``, padded at the end.
            state: The states before the first step.
            lengths: Number of steps of each sequence, ``(B,)``, at least 1, on the CPU.
        """
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        _, final = self.rnn(packed, state)
        return final

    def set_time_constants(self, longest: float) -> None:
        """Set the gates' biases so that the units forget at different rates.

        With zero input and state, a unit with time constant ``tau`` keeps ``f = 1 - 1 / tau`` of
        its content at each step. The first half of the units have gates that are half open, as with
        zero biases: ``tau = 2`` steps, for fast reactions. Those of the others are spaced
        geometrically from 2 to ``longest``, for memory. This is the chrono initialisation of Tallec
        and Ollivier 2018 (arXiv:1804.11188), who draw the time constants of all units uniformly.

        A unit of the GRU takes in ``1 - f``, as there. One of the LSTM takes in a share that is
        proportional to ``sqrt(1 - f^2)``, so that the contents of slow and fast units have the same
        variance (as in Orvieto et al. 2023, arXiv:2303.06349): with ``1 - f``, what a
        single step writes into a slow unit is too small to be read.

        Args:
            longest: The longest time constant, in steps, at least 2.
        """
        n = self.hidden_size
        constants = 2.0 * (longest / 2.0) ** torch.linspace(-1.0, 1.0, n).clamp(min=0.0)
        kept = 1.0 - 1.0 / constants
        _, _, bias, _ = self.weights()
        with torch.no_grad():
            bias[n : 2 * n] = torch.logit(kept)  # the LSTM's forget gate, the GRU's update gate
            if self.cell == "lstm":
                bias[:n] = torch.logit(((1.0 - kept**2) / 3.0).sqrt())  # the input gate; 0 at tau 2

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of input and state, then their biases, each stacked by gate."""
        w_ih, w_hh, b_ih, b_hh = self.rnn.parameters()
        return w_ih, w_hh, b_ih, b_hh


def _uses_gru_kernel(x: Tensor, state: Tensor) -> bool:
    """Return whether to use ``gru_sequence``: for few sequences on CPUs, in numpy's precisions."""
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
