"""Giving one object, not its class, another method for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["shadowed"]


@contextmanager
def shadowed(owner: object, name: str, value: Any) -> Iterator[None]:
    """Give an object an attribute of its own for the duration of the block."""
    attributes = vars(owner)
    before = attributes.get(name)
    had = name in attributes
    attributes[name] = value
    try:
        yield
    finally:
        if had:
            attributes[name] = before
        else:
            del attributes[name]
