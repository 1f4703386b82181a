"""Capture the state of live objects as plain data, and restore it in place.

A resumed run first rebuilds its environment, so nothing is unpickled, which could run code.
Attribute values are saved at any depth and restored into the objects at the same paths. Only
entities, buffers, dataclasses and tuples are created, from classes that are already imported.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sorrel.buffers import Buffer
from sorrel.entities import Entity
from torch.optim import Optimizer

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.resume.plain_values import (
    UNCHANGED,
    class_name,
    find_class,
    is_code,
    leaf_from_plain,
    leaf_to_plain,
)
from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["capture_state", "restore_state"]

_ABSENT = object()

# Rewritten by each reset, or kept by this package.
_LEFT_OUT = frozenset(
    {"_epoch_turn_stats", "_active_logger", "_recurrent_ppo_population", "add_memory"}
)


def capture_state(roots: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the state of objects as plain data.

    Args:
        roots: The objects by the names used in error messages. Objects that several of them share
            are saved once.

    Returns:
        The data, and the paths of the values that have no plain form and are left out, such as
        ``world.sound (Popen)``.
    """
    writer = _Writer()
    plain = {name: writer.plain(value, name) for name, value in roots.items()}
    return plain, writer.left_out


def restore_state(roots: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """Restore the state that :func:`capture_state` returned into objects of the same structure.

    Args:
        roots: The objects, built in the same way as those whose state was captured.
        plain: The captured state.

    Raises:
        CheckpointError: An object does not match the one that was captured at its path.
    """
    reader = _Reader()
    for name, value in roots.items():
        reader.value(plain[name], value, name)


def attributes_of(value: Any) -> dict[str, Any]:
    """Return an object's attributes, including slots."""
    slots = [
        name
        for cls in type(value).__mro__
        for name in _names(cls.__dict__.get("__slots__", ()))
        if name not in ("__dict__", "__weakref__") and hasattr(value, name)
    ]
    return {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


class _Writer:
    """Converts values to plain data; a repeated object becomes a numbered reference."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # keeps ids unique while writing

    def plain(self, value: Any, path: str) -> Any:
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
        items = [self.plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, frozenset):
            return {"kind": "frozenset", "items": items}
        attributes = getattr(value, "__dict__", {})
        if type(value) is tuple:
            return {"kind": "tuple", "items": items}
        return {
            "kind": "tuple",
            "class": class_name(type(value)),
            "items": items,
            "attributes": {k: self.plain(v, f"{path}.{k}") for k, v in attributes.items()},
        }

    def _container(self, value: Any, path: str) -> dict[str, Any] | None:
        if isinstance(value, torch.Tensor):
            return {"kind": "tensor", "data": value.detach().cpu().clone()}
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if isinstance(value, dict):
            items = [
                [self.plain(key, f"a key of {path}"), self.plain(item, f"{path}[{key!r}]")]
                for key, item in value.items()
            ]
            return {"kind": "dict", "ordered": isinstance(value, OrderedDict), "items": items}
        if isinstance(value, list | set | deque):
            kind = next(c.__name__ for c in (list, set, deque) if isinstance(value, c))
            limit = {"maxlen": value.maxlen} if isinstance(value, deque) else {}
            items = [self.plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
            return {"kind": kind, "items": items, **limit}
        return None

    def _array(self, value: np.ndarray, path: str) -> dict[str, Any]:
        form = {"shape": list(value.shape), "dtype": value.dtype.str}
        if value.dtype.kind == "O":
            items = [
                self.plain(item, f"{path}[{', '.join(map(str, index))}]")
                for index, item in np.ndenumerate(value)
            ]
            return {"kind": "objects", "items": items, **form}
        # As bytes: PyTorch lacks some of numpy's dtypes.
        data = np.frombuffer(value.tobytes(), np.uint8).copy()
        return {"kind": "array", "data": torch.from_numpy(data), **form}

    def _object(self, value: Any, path: str) -> dict[str, Any]:
        form = {"class": class_name(type(value))}
        if isinstance(value, RecurrentPPO):
            return {"kind": "model", **_capture_model(value), **form}
        if isinstance(value, Optimizer):
            return {"kind": "optimizer", "state": value.state_dict(), **form}
        if not hasattr(value, "__dict__") and not hasattr(type(value), "__slots__"):
            self.left_out.append(f"{path} ({type(value).__name__})")
            return UNCHANGED
        attributes = {
            name: self.plain(item, f"{path}.{name}")
            for name, item in attributes_of(value).items()
            if name not in _LEFT_OUT
        }
        return {"kind": "object", "attributes": attributes, **form}


class _Reader:
    """Restores plain data into existing objects."""

    def __init__(self) -> None:
        self._found: dict[int, Any] = {}
        self._taken: set[int] = set()  # an object matches at most one saved object

    def value(self, plain: Any, current: Any, path: str) -> Any:
        """Return the value of a plain form, reusing ``current`` where possible."""
        if not isinstance(plain, dict):
            return plain
        kind = plain["kind"]
        try:
            if kind == "kept":
                self._found[plain.get("number", -1)] = current
                return current
            if kind in ("ref", "again"):  # version 0.1.0 wrote "again"
                return self._found[plain["number"]]
            read = getattr(self, f"_{kind}", None)
            if read is not None:
                return read(plain, current, path)
            return leaf_from_plain(plain, current)
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"the run's state does not match {path} in the rebuilt environment: {error}"
            ) from error

    def _claim(self, plain: dict[str, Any], current: Any, cls: type) -> Any:
        """Return ``current`` if it is of the class and not yet matched, else ``None``."""
        if type(current) is not cls or id(current) in self._taken:
            return None
        return self._note(plain, current)

    def _note(self, plain: dict[str, Any], value: Any) -> Any:
        self._found[plain["number"]] = value
        self._taken.add(id(value))
        return value

    def _tuple(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        items = self._items(plain, list(current) if isinstance(current, tuple) else [], path)
        if "class" not in plain:
            return tuple(items)
        made = tuple.__new__(find_class(plain["class"], tuple), items)
        for name, item in plain["attributes"].items():
            vars(made)[name] = self.value(item, None, f"{path}.{name}")
        return made

    def _frozenset(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        return frozenset(self._items(plain, [], path))

    def _items(self, plain: dict[str, Any], current: list[Any], path: str) -> list[Any]:
        """Return the items of a container without those that are neither saved nor present."""
        values = [
            self.value(item, current[i] if i < len(current) else _ABSENT, f"{path}[{i}]")
            for i, item in enumerate(plain["items"])
        ]
        return [value for value in values if value is not _ABSENT]

    def _list(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        former = list(current) if isinstance(current, list) else []
        made = self._note(plain, current if self._is_free(current, list) else [])
        made[:] = self._items(plain, former, path)
        return made

    def _set(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        made = self._note(plain, current if self._is_free(current, set) else set())
        made.clear()
        made.update(self._items(plain, [], path))
        return made

    def _deque(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        former = list(current) if isinstance(current, deque) else []
        fits = self._is_free(current, deque) and current.maxlen == plain["maxlen"]
        made = self._note(plain, current if fits else deque(maxlen=plain["maxlen"]))
        items = self._items(plain, former, path)
        made.clear()
        made.extend(items)
        return made

    def _dict(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        former = dict(current) if isinstance(current, dict) else {}
        new: dict[Any, Any] = OrderedDict() if plain["ordered"] else {}
        made = self._note(plain, current if self._is_free(current, dict) else new)
        pairs = []
        for key_form, item in plain["items"]:
            key = self.value(key_form, _ABSENT, f"a key of {path}")
            value = self.value(item, former.get(key, _ABSENT), f"{path}[{key!r}]")
            if key is not _ABSENT and value is not _ABSENT:
                pairs.append((key, value))
        made.clear()
        made.update(pairs)
        return made

    def _is_free(self, current: Any, cls: type) -> bool:
        return isinstance(current, cls) and id(current) not in self._taken

    @torch.no_grad()
    def _tensor(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        data: torch.Tensor = plain["data"]
        if not self._is_free(current, torch.Tensor):
            return self._note(plain, data.clone())
        if current.shape != data.shape or current.dtype != data.dtype:
            if isinstance(current, torch.nn.Parameter):
                raise ValueError(
                    f"expected shape {tuple(data.shape)} (from the run's state), "
                    f"found {tuple(current.shape)}"
                )
            return self._note(plain, data.to(current.device, copy=True))
        current.copy_(data)  # in place: an optimizer holds the same tensor
        return self._note(plain, current)

    def _array(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        dtype, shape = np.dtype(plain["dtype"]), tuple(plain["shape"])
        data = np.frombuffer(plain["data"].numpy().tobytes(), dtype).reshape(shape)
        if (
            self._is_free(current, np.ndarray)
            and (current.dtype, current.shape) == (dtype, shape)
            and current.flags.writeable
        ):
            current[...] = data
            return self._note(plain, current)
        return self._note(plain, data.copy())

    def _objects(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        shape = tuple(plain["shape"])
        is_object_array = self._is_free(current, np.ndarray) and current.dtype == object
        made = current if is_object_array and current.shape == shape else np.empty(shape, object)
        self._note(plain, made)
        for i, item in enumerate(plain["items"]):
            index = np.unravel_index(i, shape)
            name = f"{path}[{', '.join(map(str, index))}]"
            made[index] = self.value(item, made[index], name)
        return made

    def _model(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        if not isinstance(current, RecurrentPPO) or class_name(type(current)) != plain["class"]:
            raise ValueError(
                f"expected {plain['class']} (from the run's state), found {type(current).__name__}"
            )
        _restore_model(current, plain)
        return self._note(plain, current)

    def _optimizer(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        if not isinstance(current, Optimizer) or class_name(type(current)) != plain["class"]:
            raise ValueError(
                f"expected {plain['class']} (from the run's state), found {type(current).__name__}"
            )
        current.load_state_dict(plain["state"])
        return self._note(plain, current)

    def _object(self, plain: dict[str, Any], current: Any, path: str) -> Any:
        target = current
        if class_name(type(current)) != plain["class"] or id(current) in self._taken:
            target = _new_object(plain["class"], current)
        self._note(plain, target)
        former = attributes_of(target)
        for name, item in plain["attributes"].items():
            value = self.value(item, former.get(name, _ABSENT), f"{path}.{name}")
            if value is not _ABSENT:
                _set_attribute(target, name, value)
        for name in former.keys() - plain["attributes"].keys() - _LEFT_OUT:
            if not is_code(former[name]):
                object.__delattr__(target, name)
        return target


def _capture_model(model: RecurrentPPO) -> dict[str, Any]:
    memory = model.memory
    extra = {key: array[: memory.size] for key, array in memory.extra_data.items()}
    return {
        "state": model.training_state(),
        "training": model.training,
        "deterministic": bool(model.deterministic),
        "last_actions": list(map(int, model.last_actions)),
        "extra_data": {key: torch.from_numpy(array.copy()) for key, array in extra.items()},
    }


def _restore_model(model: RecurrentPPO, plain: dict[str, Any]) -> None:
    model.load_training_state(plain["state"])
    model.train(plain["training"])
    model.deterministic = plain["deterministic"]
    model.last_actions = tuple(plain["last_actions"])
    for key, values in plain["extra_data"].items():
        model.memory.extra_data[key][: len(values)] = values.numpy()


def _set_attribute(target: Any, name: str, value: Any) -> None:
    """Set an attribute directly, bypassing properties and ``Module.__setattr__``."""
    attributes = getattr(target, "__dict__", None)
    if attributes is None or (name not in attributes and hasattr(type(target), "__slots__")):
        object.__setattr__(target, name, value)
    else:
        attributes[name] = value


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
