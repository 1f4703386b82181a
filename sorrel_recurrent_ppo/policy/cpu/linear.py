"""A linear layer that computes its products with the fastest library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sorrel_recurrent_ppo.policy.cpu.matmul import linear, supports_onednn

__all__ = ["Linear"]


class Linear(nn.Linear):
    """``torch.nn.Linear`` that uses oneDNN for float32 on CPUs."""

    def forward(self, input: Tensor) -> Tensor:
        """Map ``(N, in_features)`` to ``(N, out_features)``; with oneDNN differentiable once."""
        if not supports_onednn(input, self.weight):
            return super().forward(input)
        output = _Linear.apply(input, self.weight, self.bias)
        assert isinstance(output, Tensor)
        return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        x, weight, bias = arguments
        ctx.save_for_backward(x, weight)
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's signature
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (grad_output,) = grads
        needs_grad_x, needs_grad_weight, needs_grad_bias = ctx.needs_input_grad
        return (
            # Observations need no gradient; its product is as large as the weight's.
            linear(grad_output, weight.t()) if needs_grad_x else None,
            linear(grad_output.t(), x.t()) if needs_grad_weight else None,
            grad_output.sum(dim=0) if needs_grad_bias else None,
        )
