"""Capture the state of live objects as plain data.

A repeated object is captured once, under a number; elsewhere it is a reference to that number.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from sorrel_recurrent_ppo.experiments.resume.model_state import capture_model
from sorrel_recurrent_ppo.experiments.resume.object_attributes import NOT_CAPTURED, attributes_of
from sorrel_recurrent_ppo.experiments.resume.plain_values import (
    UNCHANGED,
    class_name,
    is_code,
    leaf_to_plain,
)
from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["capture_state"]


def capture_state(roots: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the state of objects as plain data.

    Args:
        roots: The objects by the names used in error messages. Objects that several of them share
            are saved once.

    Returns:
        The data, and the paths of the values that have no plain form and are left out, such as
        ``world.sound (Popen)``.
    """
    capturer = _Capturer()
    plain = {name: capturer.capture(value, name) for name, value in roots.items()}
    return plain, capturer.left_out


class _Capturer:
    """Converts values to plain data; a repeated object becomes a numbered reference."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # keeps ids unique while capturing

    def capture(self, value: Any, path: str) -> Any:
        if is_code(value):
            return UNCHANGED
        try:
            return leaf_to_plain(value)
        except TypeError:
            pass
        if isinstance(value, tuple | frozenset):
            return self._immutable(value, path)
        if id(value) in self._numbers:
            return {"kind": "ref", "number": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        form = self._container(value, path)
        return {"number": number, **(self._object(value, path) if form is None else form)}

    def _immutable(self, value: Any, path: str) -> Any:
        items = [self.capture(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, frozenset):
            return {"kind": "frozenset", "items": items}
        attributes = getattr(value, "__dict__", {})
        if type(value) is tuple:
            return {"kind": "tuple", "items": items}
        return {
            "kind": "tuple",
            "class": class_name(type(value)),
            "items": items,
            "attributes": {k: self.capture(v, f"{path}.{k}") for k, v in attributes.items()},
        }

    def _container(self, value: Any, path: str) -> dict[str, Any] | None:
        if isinstance(value, torch.Tensor):
            return {"kind": "tensor", "data": value.detach().cpu().clone()}
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if isinstance(value, dict):
            items = [
                [self.capture(key, f"a key of {path}"), self.capture(item, f"{path}[{key!r}]")]
                for key, item in value.items()
            ]
            form = {"kind": "dict", "ordered": isinstance(value, OrderedDict), "items": items}
            return {**form, "counter": True} if isinstance(value, Counter) else form
        if isinstance(value, list | set | deque):
            kind = next(c.__name__ for c in (list, set, deque) if isinstance(value, c))
            limit = {"maxlen": value.maxlen} if isinstance(value, deque) else {}
            items = [self.capture(item, f"{path}[{i}]") for i, item in enumerate(value)]
            return {"kind": kind, "items": items, **limit}
        return None

    def _array(self, value: np.ndarray, path: str) -> dict[str, Any]:
        form = {"shape": list(value.shape), "dtype": value.dtype.str}
        if value.dtype.kind == "O":
            items = [
                self.capture(item, f"{path}[{', '.join(map(str, index))}]")
                for index, item in np.ndenumerate(value)
            ]
            return {"kind": "objects", "items": items, **form}
        # As bytes: PyTorch lacks some of numpy's dtypes.
        data = np.frombuffer(value.tobytes(), np.uint8).copy()
        return {"kind": "array", "data": torch.from_numpy(data), **form}

    def _object(self, value: Any, path: str) -> dict[str, Any]:
        form = {"class": class_name(type(value))}
        if isinstance(value, RecurrentPPO):
            return {"kind": "model", **capture_model(value), **form}
        if isinstance(value, Optimizer):
            return {"kind": "optimizer", "state": value.state_dict(), **form}
        if not hasattr(value, "__dict__") and not hasattr(type(value), "__slots__"):
            self.left_out.append(f"{path} ({type(value).__name__})")
            return UNCHANGED
        attributes = {
            name: self.capture(item, f"{path}.{name}")
            for name, item in attributes_of(value).items()
            if name not in NOT_CAPTURED
        }
        return {"kind": "object", "attributes": attributes, **form}
