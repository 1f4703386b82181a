"""Observations as sums of the appearances of entities, without assignments cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["one_hot_builder"]

type _Builder = Callable[[np.ndarray, Mapping[str, Any], int], np.ndarray]

# Sums of whole numbers from 0 to this one are exact, in any order.
_LARGEST_COUNT = 2.0**40


def one_hot_builder(original: _Builder) -> _Builder:
    """Return a faster equivalent of Sorrel's ``_build_one_hot``.

    Args:
        original: Sorrel's function, which is called for all arguments that are not a usual map
            of appearances and a region of a world's usual map; it also raises the errors.

    Returns:
        A function of a region of entities ``(height, width, layers)``, the appearances
        ``(channels,)`` of the kinds of entities, and the number of channels; it returns the sum
        over the layers, float64 ``(channels, height, width)``.
    """

    def build_one_hot(
        map_region: np.ndarray, entity_map: Mapping[str, Any], num_channels: int
    ) -> np.ndarray:
        kinds = _kinds(map_region, entity_map)
        table = None if kinds is None else _appearances(entity_map, num_channels)
        if kinds is None or table is None:
            return original(map_region, entity_map, num_channels)
        return _sum_of_layers(table, kinds)

    return build_one_hot


def _kinds(region: np.ndarray, entity_map: Mapping[str, Any]) -> np.ndarray | None:
    """Return the position in the entity map of each cell's kind; ``None`` for unusual arguments."""
    if type(region) is not np.ndarray or region.ndim != 3 or not region.size:
        return None
    height, width, layers = region.strides
    if not height >= width >= layers or type(entity_map) is not dict:
        return None
    positions = {kind: i for i, kind in enumerate(entity_map)}
    try:
        found = [positions[entity.kind] for entity in region.ravel().tolist()]
    except (AttributeError, KeyError, TypeError):
        return None
    return np.array(found, np.intp).reshape(region.shape)


def _appearances(entity_map: Mapping[str, Any], n_channels: int) -> np.ndarray | None:
    """Return the table ``(channels, kinds)``, or ``None`` if appearances are not plain vectors."""
    vectors = [*entity_map.values()] if n_channels else []
    if not vectors:
        return None
    for vector in vectors:
        if type(vector) is not np.ndarray or vector.shape != (n_channels,):
            return None
        if vector.dtype.char not in "?bBhHiIlLqQefd":
            return None
    return np.array(vectors, np.float64).T


def _sum_of_layers(table: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    is_exact = (
        not np.signbit(table).any()
        and table.max() <= _LARGEST_COUNT
        and bool((table == np.floor(table)).all())
    )
    if not is_exact:  # the order of the additions matters: numpy's own
        return np.sum(table.take(kinds, axis=1), axis=-1)
    total = table.take(kinds[:, :, 0], axis=1)
    for layer in range(1, kinds.shape[2]):
        total += table.take(kinds[:, :, layer], axis=1)
    return total
