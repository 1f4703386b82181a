"""Configuration errors for devices that are unavailable and models that are too large."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.learning.settings import PPOSettings

__all__ = ["available_device", "explain_allocation_failure"]

# Messages of PyTorch and numpy for sizes that cannot be allocated; they have no common class.
_ALLOCATION_MESSAGES = (
    "can't allocate memory",
    "not enough memory",
    "size calculation overflowed",
    "overflow when unpacking long",
    "array is too big",
    "maximum allowed dimension exceeded",
    "too large to convert",
)


def available_device(device: str | torch.device) -> torch.device:
    """Return the device; raise ConfigError unless it can hold data."""
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"device {str(device)!r} is not available: {first_line}") from error
    return chosen


@contextmanager
def explain_allocation_failure(shape: tuple[int, ...], settings: PPOSettings) -> Generator[None]:
    """Raise ConfigError if the model's arrays cannot be allocated; other errors pass through."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        too_large = isinstance(error, MemoryError | OverflowError | torch.OutOfMemoryError)
        if not too_large and not any(m in str(error).lower() for m in _ALLOCATION_MESSAGES):
            raise
        raise ConfigError(
            f"a model of hidden_size={settings.hidden_size} and layer_size={settings.layer_size} "
            f"for input_size={list(shape)} cannot be built: {str(error).partition('\n')[0]}"
        ) from error
