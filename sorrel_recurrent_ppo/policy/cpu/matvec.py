"""Products of a weight and a vector: which of numpy's functions is faster on this machine.

Large weights are often no longer in the processor's caches when many models take turns. On some
processors they are then read fastest row by row, by ``vecdot``; on others ``dot`` is faster
throughout. The two differ in rounding, so a run stores which one it used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["LARGE_MATVECS", "chosen_large_matvec", "large_matvec", "matvec", "using_large_matvec"]

type _Product = Callable[..., Any]

_LARGE_BYTES = 500_000  # smaller weights stay in the caches
LARGE_MATVECS: dict[str, _Product] = {"dot": np.dot, "vecdot": np.vecdot}
# Far from what noise can do, so that a machine gives the same answer in every process.
_CLEARLY_FASTER = 1.4
_N_WEIGHTS, _N_ROUNDS = 32, 4  # more than the caches hold

_chosen: str | None = None


def matvec(weight: np.ndarray) -> _Product:
    """Return a function of ``weight``, a vector and ``out=`` that computes their product."""
    return LARGE_MATVECS[large_matvec()] if weight.nbytes >= _LARGE_BYTES else np.dot


def large_matvec() -> str:
    """Return the name of the method for large weights, measured at the first call.

    The measurement takes some tens of milliseconds, once per process.
    """
    global _chosen
    if _chosen is None:
        _chosen = _measure()
    return _chosen


def chosen_large_matvec() -> str | None:
    """Return the name of the method for large weights; ``None`` if none was multiplied so far."""
    return _chosen


@contextmanager
def using_large_matvec(name: str | None) -> Generator[None]:
    """Use a method for large weights in the block, as a stored run did.

    Policies that have already acted keep theirs.

    Args:
        name: A key of `LARGE_MATVECS`; ``None`` to measure where one is needed, independently of
            earlier measurements.
    """
    global _chosen
    before, _chosen = _chosen, name
    try:
        yield
    finally:
        _chosen = before


def _measure() -> str:
    """Return ``"vecdot"`` if it is clearly faster for weights that the caches no longer hold."""
    weights = np.ones((_N_WEIGHTS, 1024, 256), np.float32)
    vector, out = np.ones(256, np.float32), np.empty(1024, np.float32)
    times = {name: np.empty((_N_ROUNDS, _N_WEIGHTS)) for name in LARGE_MATVECS}
    for k in range(_N_ROUNDS):
        for name, method in LARGE_MATVECS.items():
            for i, weight in enumerate(weights):
                start = time.perf_counter()
                method(weight, vector, out=out)
                times[name][k, i] = time.perf_counter() - start
    # The least time of each weight: other processes interrupt some products, not all.
    best = {name: found.min(axis=0).sum() for name, found in times.items()}
    return "vecdot" if best["dot"] > _CLEARLY_FASTER * best["vecdot"] else "dot"
