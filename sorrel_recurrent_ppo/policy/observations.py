"""Observations: their layout as picture and scalars, and their validation."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.support.log_once import log_once

__all__ = [
    "ObservationLayout",
    "observation_layout",
    "observation_shape",
    "picture_shape",
    "read_observation",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObservationLayout:
    """The layout of a flat observation: an optional picture, then scalars.

    Attributes:
        size: Number of values.
        picture: ``(channels, height, width)``, or ``None`` for a plain vector.
    """

    size: int
    picture: tuple[int, int, int] | None = None

    @property
    def picture_size(self) -> int:
        """Number of values of the picture."""
        return math.prod(self.picture) if self.picture else 0

    @property
    def n_scalars(self) -> int:
        """Number of values after the picture."""
        return self.size - self.picture_size

    def with_scalars(self, n: int) -> ObservationLayout:
        """Return this layout with ``n`` more scalars at the end."""
        return ObservationLayout(self.size + n, self.picture)


def observation_shape(input_size: Any) -> tuple[int, ...]:
    """Return Sorrel's ``input_size``, an integer or a list of integers, as a shape.

    Raises:
        ConfigError: ``input_size`` is of another type, or describes an empty observation.
    """
    input_size = _without_nesting(input_size)
    sizes: tuple[Any, ...] = (input_size,)
    if isinstance(input_size, Sequence | np.ndarray):
        sizes = tuple(cast("Iterable[Any]", input_size))
    integers = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes)
    if not integers or isinstance(input_size, str | bytes):
        raise ConfigError(
            f"input_size must be the shape of an observation, such as 150 or [3, 11, 11], not "
            f"{input_size!r}"
        )
    if not sizes or min(sizes) < 1:
        raise ConfigError(f"input_size={list(sizes)} describes an empty observation")
    return tuple(int(n) for n in sizes)


def observation_layout(
    input_size: int | Sequence[int], obs_type: str, obs_dim: tuple[int, int, int] | None
) -> ObservationLayout:
    """Return the layout of observations of a given shape.

    With ``obs_type="auto"`` an observation is a picture if its shape has three axes; a flat one
    begins with a picture if ``obs_dim`` gives its shape.

    Args:
        input_size: Sorrel's ``observation_spec.input_size``.
        obs_type: ``"auto"``, ``"image"`` or ``"flattened"``.
        obs_dim: ``(channels, height, width)`` of the picture, or ``None``.

    Raises:
        ConfigError: The observation is empty, is smaller than the picture or a picture of another
            shape, or is to be read as a picture of unknown shape.
    """
    shape = observation_shape(input_size)
    size = math.prod(shape)
    if obs_type == "flattened":
        return ObservationLayout(size)
    picture = obs_dim or ((shape[0], shape[1], shape[2]) if len(shape) == 3 else None)
    if picture is None:
        if obs_type == "auto":
            return ObservationLayout(size)
        raise ConfigError(
            f"obs_type=image, but input_size={list(shape)} does not determine the picture's shape; "
            "set obs_dim=[channels, height, width]"
        )
    if len(shape) == 3 and 1 not in shape and picture != shape:
        raise ConfigError(
            f"obs_dim={list(picture)} contradicts the observation, a picture of "
            f"{list(shape)} (channels, height, width)"
        )
    if math.prod(picture) > size:
        raise ConfigError(
            f"obs_dim={list(picture)} has {math.prod(picture)} values, but "
            f"input_size={list(shape)} has only {size}"
        )
    return ObservationLayout(size, picture)


def picture_shape(observation_spec: Any) -> tuple[int, int, int] | None:
    """Return the shape of the picture in a Sorrel observation spec, flattened or not.

    Environments may flatten ``input_size`` and append scalars to it. The picture's shape then
    follows from the vision radius and the length: as many channels as whole windows fit into it. An
    entity map shows that there is a picture; an agent may see further channels than its kinds.

    Args:
        observation_spec: A Sorrel ``ObservationSpec``.

    Returns:
        ``(channels, height, width)``, or ``None`` if the spec does not determine it.
    """
    shape = observation_shape(observation_spec.input_size)
    if len(shape) == 3:
        return shape
    entity_map = cast("dict[str, Any]", getattr(observation_spec, "entity_map", None) or {})
    appearances = list(entity_map.values())
    if observation_spec.full_view or not appearances or isinstance(appearances[0], str):
        return None
    side, size = 2 * int(observation_spec.vision_radius) + 1, math.prod(shape)
    n_kinds = len(appearances[0])
    channels, n_scalars = divmod(size, side * side)
    if channels < n_kinds:  # too small for a picture of all kinds
        return None
    if channels > n_kinds:
        log_once(
            _log,
            logging.WARNING,
            f"observations of {size} values with a window of {side} x {side} are read as a picture "
            f"of {channels} channels and {n_scalars} scalars, although the entity map has "
            f"{n_kinds}; obs_dim=[channels, height, width] sets another shape",
        )
    return (channels, side, side)


def _without_nesting(input_size: Any) -> Any:
    """Return a size from lists that hold nothing but another list, such as ``[[3, 11, 11]]``."""
    while isinstance(input_size, list | tuple) and len(cast("list[Any]", input_size)) == 1:
        inner = cast("list[Any]", input_size)[0]
        if not isinstance(inner, list | tuple):
            break
        input_size = cast("Any", inner)
    return cast("Any", input_size)


def read_observation(state: Any, size: int, display_name: str) -> np.ndarray:
    """Return an observation as a new flat float32 vector.

    Args:
        state: The observation: an array, tensor or list of ``size`` finite numbers, of any shape.
        size: The expected number of values.
        display_name: The agent's name in error messages.

    Returns:
        Array of shape ``(size,)`` that shares no memory with ``state``.

    Raises:
        TypeError: ``state`` is not an array of numbers.
        ValueError: ``state`` has another size, or contains NaN or infinity in single precision.
    """
    if isinstance(state, np.ndarray):
        numbers = cast(np.ndarray, state)
    else:
        numbers = _as_array(state, display_name)
    if numbers.dtype.kind not in "buif":
        raise TypeError(
            f"{display_name}: the observation must be an array of numbers, not "
            f"{type(cast(object, state)).__name__} of {numbers.dtype}"
        )
    if numbers.size != size:
        raise ValueError(
            f"{display_name}: the observation has shape {list(numbers.shape)}, "
            f"expected {size} values"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        flat = np.array(numbers, dtype=np.float32).reshape(-1)
        squares = flat.dot(flat)  # one cheap product; overflows for some finite values
    if not math.isfinite(squares) and not (finite := np.isfinite(flat)).all():
        at = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"{display_name}: the observation is {numbers.reshape(-1)[at]} at position {at} of "
            f"{size}, expected finite numbers in single precision"
        )
    return flat


def _as_array(state: Any, display_name: str) -> np.ndarray:
    """Convert nested lists, or a tensor of any type and device, to an array."""
    try:
        if hasattr(state, "detach"):
            dense = state.detach().cpu().to_dense()
            return (dense.float() if dense.is_floating_point() else dense).numpy()
        return np.asarray(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{display_name}: the observation must be an array of numbers, "
            f"not {type(state).__name__}"
        ) from error
