"""Matrix products on CPUs, each by the library that is fastest at it.

PyTorch brings two: MKL for its products, which leaves half of the rate of AMD's processors with
AVX-512 unused, and oneDNN for its convolutions and its LSTM, which uses all of it; where MKL is at
home both are as fast. With few rows numpy's OpenBLAS is the fastest of all if it has kernels for
AVX-512 and took them, and the slowest if not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled

__all__ = ["linear", "small_batch_matmul", "supports_onednn"]

# OpenBLAS's names of the processors that its kernels for AVX-512 were written for.
_WIDE_KERNELS = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})


@torch.no_grad()
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x (N, I)`` times ``weight (O, I)`` transposed plus ``bias (O,)``, without a graph.

    What oneDNN does not take is multiplied by PyTorch's own.
    """
    if not supports_onednn(x, weight):
        return nn.functional.linear(x, weight, bias)
    # One of the operators of PyTorch's compiler; the public ways to oneDNN copy every operand.
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def small_batch_matmul(weight: np.ndarray) -> Callable[[np.ndarray, np.ndarray], object]:
    """Return a function that multiplies ``(B, I)`` by ``weight (I, O)`` into an array ``(B, O)``.

    For a ``B`` of a few, as the steps of sequences side by side have it.
    """
    if numpy_has_wide_kernels():
        rows = np.ascontiguousarray(weight)  # several times faster than a view
        return lambda x, out: np.dot(x, rows, out=out)
    matrix = torch.from_numpy(weight)
    return lambda x, out: torch.mm(torch.from_numpy(x), matrix, out=torch.from_numpy(out))


def supports_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN multiplies these: single precision on CPUs, as PyTorch was asked for."""
    return (
        x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and kernels_enabled()
        and has_onednn()
    )


def has_onednn() -> bool:
    """Whether this PyTorch has oneDNN's product."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@functools.cache
def numpy_has_wide_kernels() -> bool:
    """Whether numpy multiplies by OpenBLAS's kernels for AVX-512."""
    return any(library.get("architecture") in _WIDE_KERNELS for library in threadpool_info())
