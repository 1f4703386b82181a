"""Retention of freed memory in the process."""

from __future__ import annotations

import functools

import torch

from sorrel_recurrent_ppo.policy.cpu.switch import kernels_enabled

__all__ = ["keep_freed_memory"]

# Just below the largest block that raises the threshold (DEFAULT_MMAP_THRESHOLD_MAX, 32 MiB).
_BLOCK_BYTES = 31 * 2**20


@functools.cache
def keep_freed_memory() -> None:
    """Make the C library keep up to 62 MiB of freed memory, once per process.

    An update allocates and frees arrays of about a megabyte some hundred times. glibc returns such
    blocks to the system; mapping and clearing their pages again takes a fifth of an update. Freeing
    one larger block raises glibc's dynamic ``M_MMAP_THRESHOLD`` (``mallopt(3)``), so that glibc
    keeps them. The block is never written to, so it takes no memory. This has no effect if the
    threshold was set explicitly, or with other C libraries.
    """
    if kernels_enabled():
        torch.empty(_BLOCK_BYTES, dtype=torch.uint8)
