"""The displacement of Sorrel's vectors, without the intermediate locations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["vector_computer"]

# Of a pace ahead and a pace to the right, by direction: up, right, down, left.
_AHEAD = ((-1, 0), (0, 1), (1, 0), (0, -1))
_ASIDE = ((0, 1), (1, 0), (0, -1), (-1, 0))


def vector_computer(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an equivalent of ``Vector.compute``.

    Args:
        original: Sorrel's method, which computes vectors of other numbers than integers.
    """
    module = original.__globals__  # Location may be replaced there

    def compute(self: Any) -> Any:
        forward, right, backward, left = self.forward, self.right, self.backward, self.left
        layer, direction = self.layer, self.direction
        if not (
            type(forward) is type(right) is type(backward) is type(left) is int
            and type(layer) is type(direction) is int
            and 0 <= direction <= 3
        ):
            return original(self)
        ahead, aside = forward - backward, right - left
        row, column = _AHEAD[direction], _ASIDE[direction]
        return module["Location"](
            ahead * row[0] + aside * column[0], ahead * row[1] + aside * column[1], layer
        )

    return compute
