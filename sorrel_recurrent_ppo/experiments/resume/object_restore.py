"""Restore captured state into live objects.

A resumed run first rebuilds its environment, so nothing is unpickled, which could run code.
Attribute values are restored, at any depth, into the objects at the same paths. Only entities,
buffers, dataclasses and tuples are created, from classes that are already imported.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sorrel.buffers import Buffer
from sorrel.entities import Entity
from torch.optim import Optimizer

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.resume.model_state import restore_model
from sorrel_recurrent_ppo.experiments.resume.object_attributes import (
    NOT_CAPTURED,
    attributes_of,
    set_attribute,
)
from sorrel_recurrent_ppo.experiments.resume.plain_values import (
    UNCHANGED,
    class_name,
    find_class,
    is_code,
    leaf_from_plain,
)
from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["restore_state"]

_ABSENT = object()


def restore_state(roots: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """Restore the state that `capture_state` returned into objects of the same structure.

    Args:
        roots: The objects, built in the same way as those whose state was captured.
        plain: The captured state.

    Raises:
        CheckpointError: An object does not match the one that was captured at its path.
    """
    restorer = _Restorer()
    for name, value in roots.items():
        restorer.restore(plain[name], value, name)


class _Restorer:
    """Restores plain data into existing objects."""

    def __init__(self) -> None:
        self._by_number: dict[int, Any] = {}
        self._matched: set[int] = set()  # an object matches at most one saved object

    def restore(self, plain: Any, current: Any, path: str) -> Any:
        """Return the value of a plain form, reusing ``current`` where possible."""
        if not isinstance(plain, dict):
            return plain
        kind = plain["kind"]
        try:
            if kind == UNCHANGED["kind"]:
                self._by_number[plain.get("number", -1)] = current
                return current
            if kind in ("ref", "again"):  # version 0.1.0 wrote "again"
                return self._by_number[plain["number"]]
            restore = getattr(self, f"_{kind}", None)
            if restore is not None:
                return restore(plain, current, path)
            return leaf_from_plain(plain, current)
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"the run's state does not match {path} in the rebuilt environment: {error}"
            ) from error

    def _register(self, plain: dict[str, Any], value: Any) -> Any:
        self._by_number[plain["number"]] = value
        self._matched.add(id(value))
        return value

    def _tuple(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        items = self._items(plain, list(current) if isinstance(current, tuple) else [], path)
        if "class" not in plain:
            return tuple(items)
        result = tuple.__new__(find_class(plain["class"], tuple), items)
        for name, item in plain["attributes"].items():
            vars(result)[name] = self.restore(item, None, f"{path}.{name}")
        return result

    def _frozenset(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        return frozenset(self._items(plain, [], path))

    def _items(self, plain: dict[str, Any], current: list[Any], path: str) -> list[Any]:
        """Return the items of a container without those that are neither saved nor present."""
        values = [
            self.restore(item, current[i] if i < len(current) else _ABSENT, f"{path}[{i}]")
            for i, item in enumerate(plain["items"])
        ]
        return [value for value in values if value is not _ABSENT]

    def _list(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        before = list(current) if isinstance(current, list) else []
        result = self._register(plain, current if self._is_free(current, list) else [])
        result[:] = self._items(plain, before, path)
        return result

    def _set(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        result = self._register(plain, current if self._is_free(current, set) else set())
        result.clear()
        result.update(self._items(plain, [], path))
        return result

    def _deque(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        before = list(current) if isinstance(current, deque) else []
        fits = self._is_free(current, deque) and current.maxlen == plain["maxlen"]
        result = self._register(plain, current if fits else deque(maxlen=plain["maxlen"]))
        items = self._items(plain, before, path)
        result.clear()
        result.extend(items)
        return result

    def _dict(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        before = dict(current) if isinstance(current, dict) else {}
        new: dict[Any, Any] = OrderedDict() if plain["ordered"] else {}
        new = Counter() if plain.get("counter") else new
        result = self._register(plain, current if self._is_free(current, dict) else new)
        pairs = []
        for key_form, item in plain["items"]:
            key = self.restore(key_form, _ABSENT, f"a key of {path}")
            present = before[key] if key in before else _value_that_is_made(current)
            value = self.restore(item, present, f"{path}[{key!r}]")
            if key is not _ABSENT and value is not _ABSENT:
                pairs.append((key, value))
        result.clear()
        for key, value in pairs:  # the method update of a Counter would count them
            result[key] = value
        return result

    def _is_free(self, current: Any, cls: type) -> bool:
        return isinstance(current, cls) and id(current) not in self._matched

    @torch.no_grad()
    def _tensor(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        data: torch.Tensor = plain["data"]
        if not self._is_free(current, torch.Tensor):
            return self._register(plain, data.clone())
        if current.shape != data.shape or current.dtype != data.dtype:
            if isinstance(current, torch.nn.Parameter):
                raise ValueError(
                    f"expected shape {tuple(data.shape)} (from the run's state), "
                    f"found {tuple(current.shape)}"
                )
            return self._register(plain, data.to(current.device, copy=True))
        current.copy_(data)  # in place: an optimizer holds the same tensor
        return self._register(plain, current)

    def _array(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        dtype, shape = np.dtype(plain["dtype"]), tuple(plain["shape"])
        data = np.frombuffer(plain["data"].numpy().tobytes(), dtype).reshape(shape)
        if (
            self._is_free(current, np.ndarray)
            and (current.dtype, current.shape) == (dtype, shape)
            and current.flags.writeable
        ):
            current[...] = data
            return self._register(plain, current)
        return self._register(plain, data.copy())

    def _objects(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        shape = tuple(plain["shape"])
        is_object_array = self._is_free(current, np.ndarray) and current.dtype == object
        result = current if is_object_array and current.shape == shape else np.empty(shape, object)
        self._register(plain, result)
        for i, item in enumerate(plain["items"]):
            index = np.unravel_index(i, shape)
            name = f"{path}[{', '.join(map(str, index))}]"
            result[index] = self.restore(item, result[index], name)
        return result

    def _model(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        if not isinstance(current, RecurrentPPO) or class_name(type(current)) != plain["class"]:
            raise ValueError(
                f"expected {plain['class']} (from the run's state), found {type(current).__name__}"
            )
        restore_model(current, plain)
        return self._register(plain, current)

    def _optimizer(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        if not isinstance(current, Optimizer) or class_name(type(current)) != plain["class"]:
            raise ValueError(
                f"expected {plain['class']} (from the run's state), found {type(current).__name__}"
            )
        current.load_state_dict(plain["state"])
        return self._register(plain, current)

    def _object(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        target = current
        if class_name(type(current)) != plain["class"] or id(current) in self._matched:
            target = _new_object(plain["class"], current)
        self._register(plain, target)
        before = attributes_of(target)
        for name, item in plain["attributes"].items():
            value = self.restore(item, before.get(name, _ABSENT), f"{path}.{name}")
            if value is not _ABSENT:
                set_attribute(target, name, value)
        for name in before.keys() - plain["attributes"].keys() - NOT_CAPTURED:
            if not is_code(before[name]):
                object.__delattr__(target, name)
        return target


def _value_that_is_made(container: Any) -> Any:
    """Return what a defaultdict makes for a key that it lacks, into which a value is restored."""
    if isinstance(container, defaultdict) and container.default_factory is not None:
        return container.default_factory()
    return _ABSENT


def _new_object(name: str, current: Any) -> Any:
    """Create an object without attributes, if its class is one that may be created."""
    try:
        cls = find_class(name, object)
    except ValueError:
        cls = None
    if cls is None or not (issubclass(cls, Entity | Buffer) or dataclasses.is_dataclass(cls)):
        found = "nothing" if current in (None, _ABSENT) else type(current).__name__
        raise ValueError(f"expected {name} (from the run's state), found {found}")
    return object.__new__(cls)
