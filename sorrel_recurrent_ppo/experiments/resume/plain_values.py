"""Plain forms of Python, numpy and PyTorch values in a run's state.

Plain data is what ``torch.load(weights_only=True)`` reads: numbers, strings, tensors, lists and
dictionaries. Other values become a dictionary with their ``kind``.
"""

from __future__ import annotations

import enum
import functools
import json
import logging
import random
import sys
import threading
import types
import weakref
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from omegaconf import Container
from sorrel.utils.logging import Logger

__all__ = ["UNCHANGED", "class_name", "find_class", "is_code", "leaf_from_plain", "leaf_to_plain"]

UNCHANGED = {"kind": "kept"}  # the value stays as the environment built it

# Constant during a run, or part of the process instead of the run.
_CODE = (
    *(type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(functools.partial, property, staticmethod, classmethod, weakref.ref),
    *(logging.Logger, Logger, Container, torch.device, torch.dtype, np.dtype, type(Ellipsis)),
    *(type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event),
)


def is_code(value: Any) -> bool:
    """Return whether a value is not part of a run's state: code, the config, a logger, a lock."""
    return isinstance(value, _CODE)


def leaf_to_plain(value: Any) -> Any:
    """Return the plain form of a value that contains no other values.

    Raises:
        TypeError: The value has no such form.
    """
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, enum.Enum):
        return {"kind": "enum", "class": class_name(type(value)), "name": value.name}
    if isinstance(value, np.generic):
        return {"kind": "numpy", "dtype": value.dtype.str, "text": _text_of(value)}
    if isinstance(value, bytes):
        return {"kind": "bytes", "text": value.hex()}
    if isinstance(value, complex):
        return {"kind": "complex", "parts": [value.real, value.imag]}
    if isinstance(value, PurePath):
        return {"kind": "path", "text": str(value)}
    if isinstance(value, slice | range):
        parts = [value.start, value.stop, value.step]
        return {"kind": type(value).__name__, "parts": parts}
    return _generator_to_plain(value)


def leaf_from_plain(plain: Any, current: Any) -> Any:
    """Return the value of a plain form that `leaf_to_plain` returned.

    Args:
        plain: The plain form.
        current: The value at the same path now: a generator is set in place.

    Raises:
        ValueError: The kind is unknown, or does not match ``current``.
    """
    if not isinstance(plain, dict):
        return plain
    match plain["kind"]:
        case "enum":
            return find_class(plain["class"], enum.Enum)[plain["name"]]
        case "numpy":
            return np.array(plain["text"]).astype(plain["dtype"])[()]
        case "bytes":
            return bytes.fromhex(plain["text"])
        case "complex":
            return complex(*plain["parts"])
        case "path":
            return Path(plain["text"])
        case "slice":
            return slice(*plain["parts"])
        case "range":
            return range(*plain["parts"])
    return _generator_from_plain(plain, current)


def _text_of(value: np.generic) -> str:
    # str of a Python float is exact, and so is str of a longer float.
    return str(value.item()) if value.dtype.kind in "biufSU" else str(value)


def _generator_to_plain(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return {"kind": "generator", "state": json.dumps(_listed(value.bit_generator.state))}
    if isinstance(value, np.random.RandomState):
        return {"kind": "generator", "state": json.dumps(_listed(value.get_state(legacy=False)))}
    if isinstance(value, random.Random):
        return {"kind": "generator", "state": json.dumps(value.getstate())}
    if isinstance(value, torch.Generator):
        return {"kind": "generator", "state": value.get_state()}
    raise TypeError(f"a {type(value).__name__} has no plain form")


def _generator_from_plain(plain: dict[str, Any], current: Any) -> Any:
    if plain["kind"] != "generator":
        raise ValueError(f"unknown kind '{plain['kind']}' in the run's state")
    state = plain["state"]
    if isinstance(current, torch.Generator):
        current.set_state(state)
    elif isinstance(current, np.random.Generator):
        current.bit_generator.state = _arrayed(json.loads(state))
    elif isinstance(current, np.random.RandomState):
        current.set_state(_arrayed(json.loads(state)))
    elif isinstance(current, random.Random):
        version, words, gauss = json.loads(state)
        current.setstate((version, tuple(words), gauss))
    else:
        raise ValueError(
            f"expected a random generator (from the run's state), found {type(current).__name__}"
        )
    return current


def _listed(state: Any) -> Any:
    """Convert arrays in a generator's state to lists, for JSON; PyTorch reads no large integers."""
    if isinstance(state, dict):
        return {key: _listed(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.str}
    return state


def _arrayed(state: Any) -> Any:
    if isinstance(state, dict) and state.keys() == {"array", "dtype"}:
        return np.array(state["array"], state["dtype"])
    if isinstance(state, dict):
        return {key: _arrayed(value) for key, value in state.items()}
    return state


def class_name(cls: type) -> str:
    """Return the name by which `find_class` finds a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class[T](name: str, *bases: type[T]) -> type[T]:
    """Return a class by its name, from the modules that are already imported.

    Args:
        name: What `class_name` returned.
        *bases: The class must be derived from one of these.

    Raises:
        ValueError: There is no such class, or it is not derived from any of them.
    """
    module, _, qualified = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, bases):
        raise ValueError(f"no imported class {name} of the expected kind")
    return found
