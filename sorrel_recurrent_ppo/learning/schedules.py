"""Values that change linearly with experience."""

from __future__ import annotations

__all__ = ["linear"]


def linear(start: float, end: float, progress: float) -> float:
    """Return the value after a share of the way from ``start`` to ``end``.

    Args:
        start: Value at progress 0.
        end: Value at progress 1 and after.
        progress: Share of the way, at least 0.
    """
    return end if progress >= 1.0 else start + (end - start) * progress
