"""The switch that turns all of the package's CPU kernels off, for debugging."""

from __future__ import annotations

import functools
import os

__all__ = ["KERNELS_VARIABLE", "kernels_enabled"]

KERNELS_VARIABLE = "SORREL_RECURRENT_PPO_KERNELS"


@functools.cache
def kernels_enabled() -> bool:
    """Return whether the package's own CPU kernels may be used.

    With the environment variable ``SORREL_RECURRENT_PPO_KERNELS=off`` everything is computed by
    PyTorch's own modules: slower, and equal up to rounding. Read once per process.
    """
    return os.environ.get(KERNELS_VARIABLE, "").strip().lower() not in ("off", "0", "false", "no")
