"""A GRU over whole sequences on a CPU, forward and backward in closed form.

PyTorch has a fused LSTM for CPUs and none for the GRU: its own runs a dozen small kernels per time
step and, in the backward pass, adds up the gradient of the recurrent weight step by step. Here a
time step is one small product and a few passes over arrays that are kept; every product that can
wait is made once, over all steps.

The gates, with PyTorch's order r, z, n of the weights' rows::

    r = sigmoid(W_r x + b_r + U_r h + c_r)      a = U_n h + c_n
    z = sigmoid(W_z x + b_z + U_z h + c_z)      n = tanh(W_n x + b_n + r a)
    h' = n + z (h - n)

With ``e = dL/dh'`` the gradient before the gates' activations is ``e`` times a factor that needs
no step after it, so all factors are computed at once before the way back through time::

    of n:  (1 - z) (1 - n^2) = p
    of z:  (h - n) z (1 - z)       of r:  p a r (1 - r)       of a:  p r
    dL/dh = z e + U^T (what came to r, z and a)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sorrel_recurrent_ppo.policy.cpu.matmul import linear, small_batch_matmul

__all__ = ["gru_sequence"]


def gru_sequence(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """Return what ``torch.nn.GRU`` does: the outputs of one layer over sequences, on the CPU.

    Args:
        x: Inputs ``(T, B, F)``.
        h0: States before the first step, ``(B, H)``.
        w_ih: Weight from the input, ``(3 H, F)``.
        w_hh: Weight from the state, ``(3 H, H)``.
        b_ih: Bias of the first, ``(3 H,)``.
        b_hh: Bias of the second, ``(3 H,)``.

    Returns:
        The outputs ``(T, B, H)``, differentiable once by every argument.
    """
    outputs = _GRUSequence.apply(x, h0, w_ih, w_hh, b_ih, b_hh)
    assert isinstance(outputs, Tensor)
    return outputs


@dataclass(frozen=True)
class _Trace:
    """What the way back needs of the way there.

    Attributes:
        states: ``h`` before the first and after each step, ``(T + 1, B, H)``.
        gates: ``r`` and ``z`` side by side, ``(T, B, 2 H)``.
        from_state: ``a``, ``(T, B, H)``.
        new: ``n``, ``(T, B, H)``.
    """

    states: np.ndarray
    gates: np.ndarray
    from_state: np.ndarray
    new: np.ndarray


class _GRUSequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        x, h0, w_ih, w_hh, b_ih, b_hh = arguments
        from_input = linear(x.flatten(0, 1), w_ih, b_ih).unflatten(0, x.shape[:2])
        with np.errstate(all="ignore"):  # what is not finite is told of after the update
            trace = _run(from_input.numpy(), h0.numpy(), w_hh.numpy(), b_hh.numpy())
        outputs = torch.from_numpy(trace.states[1:])
        ctx.save_for_backward(x, w_ih, w_hh, outputs)  # so that a change in place is noticed
        ctx.trace = trace
        return outputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's signature
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor, ...]:
        x, w_ih, w_hh, _ = ctx.saved_tensors
        with np.errstate(all="ignore"):
            grad_input, grad_state, grad_h0 = _run_back(grads[0].numpy(), w_hh.numpy(), ctx.trace)
        before = torch.from_numpy(ctx.trace.states[:-1]).flatten(0, 1)
        return (
            linear(grad_input, w_ih.t()).unflatten(0, x.shape[:2]),
            grad_h0,
            linear(grad_input.t(), x.flatten(0, 1).t()),
            linear(grad_state.t(), before.t()),
            grad_input.sum(dim=0),
            grad_state.sum(dim=0),
        )


def _run(from_input: np.ndarray, h0: np.ndarray, w_hh: np.ndarray, b_hh: np.ndarray) -> _Trace:
    """Go through time: ``from_input`` is ``W x + b`` of every step, ``(T, B, 3 H)``."""
    (n_steps, n_sequences, width), size = from_input.shape, h0.shape[1]
    shape = (n_steps, n_sequences, size)
    trace = _Trace(
        states=np.empty((n_steps + 1, n_sequences, size), h0.dtype),
        gates=np.empty((n_steps, n_sequences, 2 * size), h0.dtype),
        from_state=np.empty(shape, h0.dtype),
        new=np.empty(shape, h0.dtype),
    )
    trace.states[0] = h0
    multiply = small_batch_matmul(w_hh.T)
    both = np.empty((n_sequences, width), h0.dtype)
    gates_from_state, a_from_state = both[:, : 2 * size], both[:, 2 * size :]
    a_bias = b_hh[2 * size :]
    gates_from_input = from_input[:, :, : 2 * size] + b_hh[: 2 * size]
    new_from_input = from_input[:, :, 2 * size :]
    for t in range(n_steps):
        h, following, a, n, rz = (
            *(trace.states[t], trace.states[t + 1]),
            *(trace.from_state[t], trace.new[t], trace.gates[t]),
        )
        multiply(h, both)
        np.add(gates_from_input[t], gates_from_state, out=rz)
        np.multiply(rz, 0.5, out=rz)  # the logistic function by tanh cannot overflow
        np.tanh(rz, out=rz)
        np.multiply(rz, 0.5, out=rz)
        np.add(rz, 0.5, out=rz)
        np.add(a_from_state, a_bias, out=a)
        np.multiply(rz[:, :size], a, out=n)
        np.add(n, new_from_input[t], out=n)
        np.tanh(n, out=n)
        np.subtract(h, n, out=following)
        np.multiply(following, rz[:, size:], out=following)
        np.add(following, n, out=following)
    return trace


def _run_back(grads: np.ndarray, w_hh: np.ndarray, trace: _Trace) -> tuple[Tensor, Tensor, Tensor]:
    """Go back through time with the gradients of the outputs, ``(T, B, H)``.

    Returns:
        The gradients at ``W x + b`` and at ``U h + c``, both ``(T * B, 3 H)``, and at ``h0``.
    """
    n_steps, n_sequences, size = grads.shape
    r, z = trace.gates[:, :, :size], trace.gates[:, :, size:]
    before = trace.states[:-1]
    d_new = (1.0 - z) * (1.0 - trace.new**2)
    factors = np.empty((n_steps, n_sequences, 3, size), grads.dtype)
    factors[:, :, 0] = d_new * trace.from_state * r * (1.0 - r)
    factors[:, :, 1] = (before - trace.new) * z * (1.0 - z)
    factors[:, :, 2] = d_new * r
    grad_outputs = np.empty_like(grads)
    grad_state = np.empty_like(factors)
    carried, from_gates = np.zeros((2, n_sequences, size), grads.dtype)
    multiply = small_batch_matmul(w_hh)
    for t in range(n_steps - 1, -1, -1):
        e = grad_outputs[t]
        np.add(grads[t], carried, out=e)
        np.multiply(e[:, None], factors[t], out=grad_state[t])
        multiply(grad_state[t].reshape(n_sequences, 3 * size), from_gates)
        np.multiply(e, z[t], out=carried)
        np.add(carried, from_gates, out=carried)
    grad_input = grad_state.copy()
    grad_input[:, :, 2] = grad_outputs * d_new
    flat = (n_steps * n_sequences, 3 * size)
    return (
        torch.from_numpy(grad_input.reshape(flat)),
        torch.from_numpy(grad_state.reshape(flat)),
        torch.from_numpy(carried),
    )
