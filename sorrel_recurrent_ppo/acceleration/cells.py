"""Iteration over the cells of a world without numpy's iterator in Python."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["enumerate_cells"]


def enumerate_cells(array: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Iterate over the indices and elements of an array, like `numpy.ndenumerate`.

    An element is read when the iteration reaches it: entities that others put into cells further
    on are found there.
    """
    array = np.asarray(array)
    return zip(_indices(array.shape), array.flat, strict=True)


@functools.lru_cache(maxsize=16)
def _indices(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(itertools.product(*map(range, shape)))
