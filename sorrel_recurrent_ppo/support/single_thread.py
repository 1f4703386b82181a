"""Limiting the numerical libraries to one thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

__all__ = ["single_thread"]


@contextmanager
def single_thread() -> Generator[None]:
    """Limit PyTorch and numpy to one thread in the block.

    The models' products are too small to be split: with the libraries' default, all cores, they
    take longer the more cores there are.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads_before)
