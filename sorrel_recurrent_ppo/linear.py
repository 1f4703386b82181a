"""A linear layer that makes its products by the fastest library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sorrel_recurrent_ppo.products import onednn_takes, product

__all__ = ["Linear"]


class Linear(nn.Linear):
    """``torch.nn.Linear``; on a CPU, in float32, its products are oneDNN's."""

    def forward(self, input: Tensor) -> Tensor:
        """Map ``(N, in_features)`` to ``(N, out_features)``, on a CPU differentiable once."""
        if not onednn_takes(input, self.weight):
            return super().forward(input)
        output = _Linear.apply(input, self.weight, self.bias)
        assert isinstance(output, Tensor)
        return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        x, weight, bias = arguments
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's signature
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (at_y,) = grads
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            # Observations need none, and it would be as large a product as the other.
            product(at_y, weight.t()) if of_x else None,
            product(at_y.t(), x.t()) if of_weight else None,
            at_y.sum(dim=0) if of_bias else None,
        )
