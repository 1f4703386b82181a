"""Overrides of methods of single objects.

The package changes methods of single environments, agents and models, not of their classes: other
objects of the class, and users' subclasses, must behave as without the package. An override is an
attribute of the instance, which Python finds before the class's method; it calls that method
through ``type(owner)``. It is a `functools.partial`, not a closure, so that ``copy.deepcopy`` of
the owner binds the copy's override to the copy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["overridden", "override", "remove_override"]


def override(owner: object, name: str, function: Callable[..., Any], *args: Any) -> None:
    """Make ``owner.name(...)`` call ``function(owner, *args, ...)``."""
    vars(owner)[name] = functools.partial(function, owner, *args)


def remove_override(owner: object, name: str) -> None:
    """Remove an override, if there is one, so that the class's method is found again."""
    vars(owner).pop(name, None)


@contextmanager
def overridden(owner: object, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of an object for the duration of the block."""
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
