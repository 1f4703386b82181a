"""A GRU over complete sequences on a CPU, forward and backward in closed form.

PyTorch has a fused LSTM for CPUs but no fused GRU: its GRU runs a dozen small kernels per time step
and, in the backward pass, accumulates the gradient of the recurrent weight step by step. Here a
time step is one small product and a few passes over preallocated arrays; all products that no step
depends on are computed once, over all steps.

The gates, with PyTorch's order r, z, n of the weights' rows::

    r = sigmoid(W_r x + b_r + U_r h + c_r)      a = U_n h + c_n
    z = sigmoid(W_z x + b_z + U_z h + c_z)      n = tanh(W_n x + b_n + r a)
    h' = n + z (h - n)

With ``e = dL/dh'`` the gradient before the gates' activations is ``e`` times a factor that depends
on no later step, so all factors are computed at once before the backward pass through time::

    of n:  (1 - z) (1 - n^2) = p
    of z:  (h - n) z (1 - z)       of r:  p a r (1 - r)       of a:  p r
    dL/dh = z e + U^T (gradients of r, z and a)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sorrel_recurrent_ppo.policy.cpu.matmul import linear, small_batch_matmul

__all__ = ["gru_sequence"]


def gru_sequence(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """Return the outputs of a one-layer ``torch.nn.GRU`` over sequences, on the CPU.

    Args:
        x: Inputs ``(T, B, F)``.
        h0: States before the first step, ``(B, H)``.
        w_ih: Weight of the input, ``(3 H, F)``.
        w_hh: Weight of the state, ``(3 H, H)``.
        b_ih: Bias of the input, ``(3 H,)``.
        b_hh: Bias of the state, ``(3 H,)``.

    Returns:
        The outputs ``(T, B, H)``, differentiable once with respect to every argument.
    """
    outputs = _GRUSequence.apply(x, h0, w_ih, w_hh, b_ih, b_hh)
    assert isinstance(outputs, Tensor)
    return outputs


@dataclass(frozen=True)
class _Trace:
    """The intermediate results of the forward pass that the backward pass uses.

    Attributes:
        states: ``h`` before the first and after each step, ``(T + 1, B, H)``.
        gates: ``r`` and ``z``, concatenated, ``(T, B, 2 H)``.
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
        from_input = cast(Tensor, linear(x.flatten(0, 1), w_ih, b_ih).unflatten(0, x.shape[:2]))
        with np.errstate(all="ignore"):  # non-finite numbers are reported after the update
            trace = _forward_steps(from_input.numpy(), h0.numpy(), w_hh.numpy(), b_hh.numpy())
        outputs = torch.from_numpy(trace.states[1:])
        ctx.save_for_backward(x, w_ih, w_hh, outputs)  # detects changes in place
        ctx.trace = trace
        return outputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's signature
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, ...]:
        x, w_ih, w_hh, _ = ctx.saved_tensors
        with np.errstate(all="ignore"):
            grad_input, grad_state, grad_h0 = _backward_steps(
                grad_outputs[0].numpy(), w_hh.numpy(), ctx.trace
            )
        before = torch.from_numpy(ctx.trace.states[:-1]).flatten(0, 1)
        grad_x = cast(Tensor, linear(grad_input, w_ih.t()).unflatten(0, x.shape[:2]))
        return (
            grad_x,
            grad_h0,
            linear(grad_input.t(), x.flatten(0, 1).t()),
            linear(grad_state.t(), before.t()),
            grad_input.sum(dim=0),
            grad_state.sum(dim=0),
        )


def _forward_steps(
    from_input: np.ndarray, h0: np.ndarray, w_hh: np.ndarray, b_hh: np.ndarray
) -> _Trace:
    """Run all steps forward; ``from_input`` is ``W x + b`` of every step, ``(T, B, 3 H)``."""
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
    products = np.empty((n_sequences, width), h0.dtype)
    gates_from_state, a_from_state = products[:, : 2 * size], products[:, 2 * size :]
    a_bias = b_hh[2 * size :]
    gates_from_input = from_input[:, :, : 2 * size] + b_hh[: 2 * size]
    new_from_input = from_input[:, :, 2 * size :]
    for t in range(n_steps):
        h, following, a, n, rz = (
            *(trace.states[t], trace.states[t + 1]),
            *(trace.from_state[t], trace.new[t], trace.gates[t]),
        )
        multiply(h, products)
        np.add(gates_from_input[t], gates_from_state, out=rz)
        np.multiply(rz, 0.5, out=rz)  # sigmoid by tanh cannot overflow
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


def _backward_steps(
    grad_outputs: np.ndarray, w_hh: np.ndarray, trace: _Trace
) -> tuple[Tensor, Tensor, Tensor]:
    """Run all steps backward from the gradients of the outputs, ``(T, B, H)``.

    Returns:
        The gradients of ``W x + b`` and of ``U h + c``, both ``(T * B, 3 H)``, and of ``h0``.
    """
    n_steps, n_sequences, size = grad_outputs.shape
    r, z = trace.gates[:, :, :size], trace.gates[:, :, size:]
    before = trace.states[:-1]
    d_new = (1.0 - z) * (1.0 - trace.new**2)
    factors = np.empty((n_steps, n_sequences, 3, size), grad_outputs.dtype)
    factors[:, :, 0] = d_new * trace.from_state * r * (1.0 - r)
    factors[:, :, 1] = (before - trace.new) * z * (1.0 - z)
    factors[:, :, 2] = d_new * r
    grad_h = np.empty_like(grad_outputs)
    grad_state = np.empty_like(factors)
    grad_before, through_gates = np.zeros((2, n_sequences, size), grad_outputs.dtype)
    multiply = small_batch_matmul(w_hh)
    for t in range(n_steps - 1, -1, -1):
        e = grad_h[t]
        np.add(grad_outputs[t], grad_before, out=e)
        np.multiply(e[:, None], factors[t], out=grad_state[t])
        multiply(grad_state[t].reshape(n_sequences, 3 * size), through_gates)
        np.multiply(e, z[t], out=grad_before)
        np.add(grad_before, through_gates, out=grad_before)
    grad_input = grad_state.copy()
    grad_input[:, :, 2] = grad_h * d_new
    flat = (n_steps * n_sequences, 3 * size)
    return (
        torch.from_numpy(grad_input.reshape(flat)),
        torch.from_numpy(grad_state.reshape(flat)),
        torch.from_numpy(grad_before),
    )
