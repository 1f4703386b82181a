"""Independence of PyTorch's global switches: default dtype and device, gradients, autocast."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["plain_torch", "without_autocast"]


@contextmanager
def plain_torch(device_type: str = "cpu") -> Generator[None]:
    """Compute as PyTorch does by default within the block, and restore the switches afterwards.

    That is: in single precision, with gradients, outside of ``torch.inference_mode`` and autocast,
    and with the CPU as default device.

    Args:
        device_type: The type of the device that computes.
    """
    dtype = torch.get_default_dtype()
    with ExitStack() as switches:
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            switches.callback(torch.set_default_dtype, dtype)
        if torch.get_default_device().type != "cpu":
            switches.enter_context(torch.device("cpu"))
        switches.enter_context(torch.inference_mode(False))
        switches.enter_context(torch.enable_grad())
        switches.enter_context(without_autocast(device_type))
        yield


@contextmanager
def without_autocast(device_type: str) -> Generator[None]:
    """Switch autocast off within the block, if it is on."""
    if torch.is_autocast_enabled(device_type):
        with torch.autocast(device_type, enabled=False):
            yield
    else:
        yield
