"""Matrix products on CPUs, each with the fastest library for it.

PyTorch includes two: MKL, for its products, and oneDNN, for its convolutions and its LSTM. On AMD
processors with AVX-512 MKL reaches half of oneDNN's rate; on Intel's they are equally fast. With
few rows numpy's OpenBLAS is the fastest of all if it uses its AVX-512 kernels, otherwise the
slowest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled

__all__ = ["linear", "small_batch_matmul", "supports_onednn"]

# The processors that OpenBLAS has AVX-512 kernels for, by its names.
_WIDE_KERNELS = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})


@torch.no_grad()
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x (N, I) @ weight (O, I).T + bias (O,)``, without autograd.

    Operands that oneDNN does not support are multiplied by PyTorch's own function.
    """
    if not supports_onednn(x, weight):
        return nn.functional.linear(x, weight, bias)
    # An operator of PyTorch's compiler; the public functions of oneDNN copy every operand.
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def small_batch_matmul(weight: np.ndarray) -> Callable[[np.ndarray, np.ndarray], object]:
    """Return a function that multiplies ``(B, I)`` by ``weight (I, O)`` into an array ``(B, O)``.

    It is meant for a small ``B``, such as one step of a few parallel sequences.
    """
    if numpy_has_wide_kernels():
        contiguous = np.ascontiguousarray(weight)  # several times faster than a view
        return lambda x, out: np.dot(x, contiguous, out=out)
    matrix = torch.from_numpy(weight)
    return lambda x, out: torch.mm(torch.from_numpy(x), matrix, out=torch.from_numpy(out))


def supports_onednn(x: Tensor, weight: Tensor) -> bool:
    """Return whether oneDNN is used: for single precision on CPUs, outside of autocast."""
    return (
        x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and kernels_enabled()
        and has_onednn()
    )


def has_onednn() -> bool:
    """Return whether this build of PyTorch has oneDNN's product."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@functools.cache
def numpy_has_wide_kernels() -> bool:
    """Return whether numpy uses OpenBLAS's AVX-512 kernels."""
    libraries = cast("list[dict[str, Any]]", threadpool_info())
    return any(library.get("architecture") in _WIDE_KERNELS for library in libraries)
