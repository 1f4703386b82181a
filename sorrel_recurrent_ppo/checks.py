"""Checks of values that users set, with errors that tell what was expected."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sorrel_recurrent_ppo.errors import ConfigError

__all__ = ["check_integer"]


def check_integer(name: str, value: Any, low: int) -> None:
    """Raise ConfigError unless ``value`` is an integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ConfigError(f"{name} must be an integer of at least {low}, not {value!r}")
