"""The attributes of objects that are part of a run's state."""

from __future__ import annotations

from typing import Any

__all__ = ["NOT_CAPTURED", "attributes_of", "set_attribute"]

# Rewritten by each reset, or kept by this package.
NOT_CAPTURED = frozenset(
    {"_epoch_turn_stats", "_active_logger", "_recurrent_ppo_population", "add_memory"}
)


def attributes_of(value: Any) -> dict[str, Any]:
    """Return an object's attributes, including slots."""
    slots = [
        name
        for cls in type(value).__mro__
        for name in _names(cls.__dict__.get("__slots__", ()))
        if name not in ("__dict__", "__weakref__") and hasattr(value, name)
    ]
    return {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


def set_attribute(target: Any, name: str, value: Any) -> None:
    """Set an attribute directly, bypassing properties and ``Module.__setattr__``."""
    attributes = getattr(target, "__dict__", None)
    if attributes is None or (name not in attributes and hasattr(type(target), "__slots__")):
        object.__setattr__(target, name, value)
    else:
        attributes[name] = value


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)
