"""The source of randomness of the example worlds."""

from __future__ import annotations

import numpy as np

__all__ = ["random_index"]


def random_index(n: int) -> int:
    """Return a uniformly random integer from ``0`` to ``n - 1``.

    It is drawn from numpy's global generator, as in Sorrel's own worlds, because that is the
    generator which the seed of a Sorrel experiment initialises.
    """
    return int(np.random.randint(n))  # noqa: NPY002
