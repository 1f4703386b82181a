"""Values that change linearly with experience."""

from __future__ import annotations

__all__ = ["linear"]


def linear(start: float, end: float, progress: float) -> float:
    """Interpolate linearly from ``start`` to ``end``.

    Args:
        start: Value at progress 0.
        end: Value at progress 1 and above.
        progress: Fraction of the interval, at least 0.
    """
    return end if progress >= 1.0 else start + (end - start) * progress
