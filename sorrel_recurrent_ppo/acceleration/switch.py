"""Switching the faster equivalents on and off."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sorrel_recurrent_ppo.acceleration.replacements import REPLACEMENTS, Replacement
from sorrel_recurrent_ppo.support.checks import check_flag
from sorrel_recurrent_ppo.support.log_once import log_once

__all__ = ["accelerate", "accelerated"]

log = logging.getLogger(__name__)

# What Sorrel has under the replaced names, and what is there in its place.
_active: dict[Replacement, tuple[Any, Any]] = {}


def accelerate(on: bool = True) -> None:
    """Replace slow functions of Sorrel by exact, faster equivalents, or restore them; idempotent.

    Results are the same, bit for bit, with the same random draws. It applies to the process, to
    environments that exist as to those built later. A function whose source is not the one that
    the equivalent was written for stays as it is, which is logged.

    Args:
        on: ``False`` restores Sorrel's functions.

    Raises:
        ConfigError: ``on`` is neither true nor false.
    """
    check_flag("accelerate", on)
    for replacement in REPLACEMENTS:
        if on and replacement not in _active:
            _replace(replacement)
        elif not on and replacement in _active:
            _restore(replacement)


@contextmanager
def accelerated(on: bool) -> Iterator[None]:
    """Accelerate Sorrel for the duration of the block.

    Args:
        on: ``False`` leaves Sorrel as it is, accelerated or not.
    """
    was_on = bool(_active)
    if on:
        accelerate()
    try:
        yield
    finally:
        if on and not was_on:
            accelerate(False)


def _replace(replacement: Replacement) -> None:
    try:
        owner = replacement.find_owner()
    except (ImportError, AttributeError):
        owner = None
    original = getattr(owner, replacement.name, None)
    if not replacement.is_known(original):
        log_once(
            log,
            logging.INFO,
            f"{replacement.owner}.{replacement.name} is not accelerated: this Sorrel has another "
            "version of it than Sorrel 1.6",
        )
        return
    equivalent = replacement.make(original)
    setattr(owner, replacement.name, equivalent)
    _active[replacement] = original, equivalent


def _restore(replacement: Replacement) -> None:
    original, equivalent = _active.pop(replacement)
    owner = replacement.find_owner()
    # Another package may have wrapped ours since: then ours stays in its chain.
    if vars(owner).get(replacement.name) is equivalent:
        setattr(owner, replacement.name, original)
