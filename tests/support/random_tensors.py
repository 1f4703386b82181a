"""Random tensors for tests of layers."""

import torch
from torch import Tensor


def random_leaves(
    *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32, seed: int = 5
) -> list[Tensor]:
    """Return leaf tensors that require gradients, drawn from one stream so that all differ."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes
    ]
