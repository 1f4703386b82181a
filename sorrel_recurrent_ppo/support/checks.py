"""Checks of single values, with one wording for all error messages."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name

__all__ = ["check_choice", "check_flag", "check_integer", "check_integers", "check_number"]


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int; raise ConfigError unless it is an integer within bounds."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if low <= number and (high is None or number <= high):
            return number
    bound = "" if high is None else f" and at most {high}"
    raise ConfigError(f"{name} must be an integer of at least {low}{bound}, not {value!r}")


def check_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    low: float = -math.inf,
    high: float = math.inf,
) -> float:
    """Return ``value`` as an int or float; raise ConfigError unless finite and within bounds."""
    if isinstance(value, Real) and not isinstance(value, bool):
        number = _as_float(value)
        if math.isfinite(number) and number > above and low <= number <= high:
            return value if isinstance(value, int) else number
    bounds = [f"above {above}"] * (above > -math.inf) + [f"at least {low}"] * (low > -math.inf)
    bounds += [f"at most {high}"] * (high < math.inf)
    expected = " and ".join(bounds) or "that is finite"
    raise ConfigError(f"{name} must be a number {expected}, not {value!r}")


def _as_float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf


def check_integers(name: str, value: Any, low: int) -> tuple[int, ...]:
    """Return ``value`` as a tuple; raise ConfigError unless a list of integers >= ``low``."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence) or not value:
        raise ConfigError(f"{name} must be a list of integers, not {value!r}")
    return tuple(check_integer(f"{name} (each of them)", number, low) for number in value)


def check_flag(name: str, value: Any) -> None:
    """Raise ConfigError unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, not {value!r}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raise ConfigError, naming the closest choice, unless ``value`` is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(unknown_name(f"{name} cannot be", value, choices))
