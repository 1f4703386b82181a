"""Reproducible convolutions on a GPU.

cuDNN's fastest ways to compute the gradients of a convolution add in an order that varies, so that
the same seed gives slightly different weights. Its reproducible ones are chosen by flags of the
process, which models that train in parallel share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["reproducible_convolutions"]

_lock = threading.Lock()
_n_inside = 0
_flags_before = (False, False)


@contextmanager
def reproducible_convolutions(device: torch.device) -> Iterator[None]:
    """Choose cuDNN's reproducible algorithms within the block; nothing on other devices.

    Args:
        device: The device of the computation.
    """
    if device.type != "cuda":
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _n_inside, _flags_before
    cudnn = torch.backends.cudnn
    with _lock:
        if not _n_inside:
            _flags_before = cudnn.deterministic, cudnn.benchmark
            cudnn.deterministic, cudnn.benchmark = True, False
        _n_inside += 1


def _leave() -> None:
    global _n_inside
    cudnn = torch.backends.cudnn
    with _lock:
        _n_inside -= 1
        if not _n_inside:
            cudnn.deterministic, cudnn.benchmark = _flags_before
