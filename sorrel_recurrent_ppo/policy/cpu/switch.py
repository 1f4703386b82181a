"""The switch that turns off all of the package's CPU kernels, for debugging."""

from __future__ import annotations

import functools
import os

__all__ = ["KERNELS_VARIABLE", "kernels_enabled"]

KERNELS_VARIABLE = "SORREL_RECURRENT_PPO_KERNELS"


@functools.cache
def kernels_enabled() -> bool:
    """Return whether the package's own CPU kernels may be used.

    With the environment variable ``SORREL_RECURRENT_PPO_KERNELS=off`` PyTorch's own modules compute
    everything: slower, and equal up to rounding. The variable is read once per process.
    """
    return os.environ.get(KERNELS_VARIABLE, "").strip().lower() not in ("off", "0", "false", "no")
