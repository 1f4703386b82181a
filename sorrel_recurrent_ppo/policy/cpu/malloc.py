"""Memory that an update frees and takes again."""

from __future__ import annotations

import torch

__all__ = ["keep_freed_memory"]

# Just under the largest block by which glibc learns (DEFAULT_MMAP_THRESHOLD_MAX, 32 MiB).
_BLOCK_BYTES = 31 * 2**20


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, up to 62 MiB, instead of giving it back at once.

    An update takes and frees arrays of about a megabyte some hundred times. glibc gives those
    back to the system, which finds and clears their pages anew each time: a fifth of an update.
    From the freeing of a larger block it learns to keep them (``mallopt(3)``, on the dynamic
    ``M_MMAP_THRESHOLD``); nobody writes to the block, so it takes no memory. Where the threshold
    was set by hand, and in other C libraries, this changes nothing.
    """
    torch.empty(_BLOCK_BYTES, dtype=torch.uint8)
