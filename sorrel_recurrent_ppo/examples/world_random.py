"""The one source of chance in our environments."""

from __future__ import annotations

import numpy as np

__all__ = ["random_index"]


def random_index(n: int) -> int:
    """Return one of ``0 .. n-1``, each with the same probability.

    It is drawn from numpy's global generator, as in Sorrel's own worlds: that is the generator
    which the seed of a Sorrel experiment governs.
    """
    return int(np.random.randint(n))  # noqa: NPY002
