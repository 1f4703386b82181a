"""The share of polluted water in Sorrel's cleanup, which each turn counts over the whole world."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["measure_pollution"]


def measure_pollution(self: Any) -> float:
    """Return the share of polluted cells among the cells of the river; 0 without a river."""
    kinds = [entity.kind for entity in np.asarray(self.map).flat]
    n_polluted = kinds.count("Pollution")
    n_cells = n_polluted + kinds.count("River")
    return n_polluted / n_cells if n_cells else 0.0
