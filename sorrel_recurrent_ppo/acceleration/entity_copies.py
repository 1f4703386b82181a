"""Copies of entities whose attributes are immutable, without `copy.deepcopy`.

Sorrel's grid world deep-copies its default entity for each cell of each reset and at each move.
"""

from __future__ import annotations

import copy
import copyreg
import itertools
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any

__all__ = ["CopyModule", "copy_entity"]

_IMMUTABLE = frozenset(
    [
        *(bool, bytes, complex, float, int, str, type(None)),
        *(PosixPath, PurePosixPath, PureWindowsPath, WindowsPath),
    ]
)
_HOOKS = ("__deepcopy__", "__getattr__", "__getnewargs__", "__getnewargs_ex__", "__setstate__")


def copy_entity(entity: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a deep copy of an object.

    Args:
        entity: Any object. It is copied faster than by `copy.deepcopy` if its class does not
            customise copying and all its attributes are numbers, strings, paths or ``None``, which
            original and copy share.
        memo: As for `copy.deepcopy`.
    """
    cls = type(entity)
    if memo is None and _copies_attributes(cls):
        attributes = vars(entity)
        if _IMMUTABLE.issuperset(map(type, attributes.values())):
            copied = object.__new__(cls)
            copied.__dict__.update(attributes)
            return copied
    return copy.deepcopy(entity, memo)


def _copies_attributes(cls: type) -> bool:
    """Return whether a deep copy of an instance is a new instance with copies of its attributes."""
    return (
        cls.__new__ is object.__new__
        and cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and cls.__getstate__ is object.__getstate__
        and cls.__getattribute__ is object.__getattribute__
        and cls.__basicsize__ == object.__basicsize__  # no slots
        and cls.__dictoffset__ != 0
        and cls not in copyreg.dispatch_table
        and not any(map(hasattr, itertools.repeat(cls), _HOOKS))
    )


class CopyModule:
    """The module ``copy`` with `copy_entity` in place of ``deepcopy``."""

    deepcopy = staticmethod(copy_entity)

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)
