"""Which values of Python, numpy and PyTorch a run's state holds as they are, and how.

Everything is turned into what ``torch.load(weights_only=True)`` reads: numbers, strings, tensors,
lists and dictionaries. A value with a form of its own becomes a dictionary with its ``kind``.
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

UNCHANGED = {"kind": "kept"}  # stands for what stays as the environment has built it

# What does not change during a run, or belongs to the process and not to the run.
_CODE = (
    *(type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(functools.partial, property, staticmethod, classmethod, weakref.ref),
    *(logging.Logger, Logger, Container, torch.device, torch.dtype, np.dtype, type(Ellipsis)),
    *(type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event),
)


def is_code(value: Any) -> bool:
    """Whether a value is no part of a run's state: code, the config, a logger, a lock."""
    return isinstance(value, _CODE)


def leaf_to_plain(value: Any) -> Any:
    """Return the plain form of a value that holds no other values.

    Raises:
        TypeError: It is not such a value.
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
    """Return the value of which `leaf_to_plain` made a plain one.

    Args:
        plain: The plain form.
        current: The value at the same path now: a generator is set in place.

    Raises:
        ValueError: The plain form is none of these, or does not fit what is there.
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
    # repr of a Python float is exact; a longer float's own text is, too.
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
        raise ValueError(f"there is no kind '{plain['kind']}'")
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
        raise ValueError(f"a random generator was there; now it is a {type(current).__name__}")
    return current


def _listed(state: Any) -> Any:
    """Make arrays within a generator's state lists, for JSON; PyTorch reads no large integers."""
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
    """Return a class by its name, from the modules that are imported already.

    Args:
        name: What `class_name` returned.
        *bases: What it must be derived from, one of these.

    Raises:
        ValueError: There is no such class, or it is not derived from any of them.
    """
    module, _, qualified = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, bases):
        raise ValueError(f"there is no class {name} that may stand here")
    return found
