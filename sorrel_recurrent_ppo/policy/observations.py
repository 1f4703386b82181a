"""Reading an observation: which part of it is a picture, and whether it is fit to use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError

__all__ = [
    "ObservationLayout",
    "observation_layout",
    "observation_shape",
    "picture_shape",
    "read_observation",
]


@dataclass(frozen=True)
class ObservationLayout:
    """How a flat observation is made up: a picture, if any, and scalars after it.

    Attributes:
        size: Number of floats.
        picture: ``(channels, height, width)``, or ``None`` for a plain vector.
    """

    size: int
    picture: tuple[int, int, int] | None = None

    @property
    def picture_size(self) -> int:
        """Number of floats of the picture."""
        return math.prod(self.picture) if self.picture else 0

    @property
    def n_scalars(self) -> int:
        """Number of floats after the picture."""
        return self.size - self.picture_size

    def with_scalars(self, n: int) -> ObservationLayout:
        """Return the layout with ``n`` more scalars at the end."""
        return ObservationLayout(self.size + n, self.picture)


def observation_shape(input_size: Any) -> tuple[int, ...]:
    """Return Sorrel's ``input_size``, a size or a list of sizes, as a shape.

    Raises:
        ConfigError: It is of another type, or describes an empty observation.
    """
    sizes = tuple(input_size) if isinstance(input_size, Sequence | np.ndarray) else (input_size,)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes)
    if not whole or isinstance(input_size, str | bytes):
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
    """Decide how observations of a shape are read.

    With ``obs_type="auto"`` an observation is a picture when its shape has three axes, or when
    ``obs_dim`` says which picture a flat one begins with.

    Args:
        input_size: Sorrel's ``observation_spec.input_size``.
        obs_type: ``"auto"``, ``"image"`` or ``"flattened"``.
        obs_dim: ``(channels, height, width)`` of the picture, or ``None``.

    Raises:
        ConfigError: The observation is empty, cannot hold the picture, or is to be read as a
            picture whose shape nothing tells.
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
            f"obs_type=image, but input_size={list(shape)} does not tell the picture's shape: "
            "give obs_dim=[channels, height, width]"
        )
    if math.prod(picture) > size:
        raise ConfigError(
            f"obs_dim={list(picture)} has {math.prod(picture)} values, but the observation "
            f"input_size={list(shape)} only {size}"
        )
    return ObservationLayout(size, picture)


def picture_shape(observation_spec: Any) -> tuple[int, int, int] | None:
    """Find the picture in a Sorrel observation spec, flattened or not.

    Environments flatten ``input_size`` and append scalars to it; the entity map (one appearance
    per kind, as long as there are channels) and the vision radius still tell the picture's shape.

    Args:
        observation_spec: A Sorrel ``ObservationSpec``.

    Returns:
        ``(channels, height, width)``, or ``None`` when the spec does not tell.
    """
    shape = tuple(int(n) for n in observation_spec.input_size)
    if len(shape) == 3:
        return shape
    appearances = list(getattr(observation_spec, "entity_map", {}).values())
    if observation_spec.full_view or not appearances or isinstance(appearances[0], str):
        return None
    side = 2 * int(observation_spec.vision_radius) + 1
    picture = (len(appearances[0]), side, side)
    return picture if math.prod(picture) <= math.prod(shape) else None


def read_observation(state: Any, size: int, display_name: str) -> np.ndarray:
    """Return an observation as a flat float32 vector of its own.

    Args:
        state: What the agent gave: an array or tensor of ``size`` finite numbers, of any shape.
        size: How many numbers are expected.
        display_name: What the error message calls the agent.

    Returns:
        Array of shape ``(size,)``, not shared with ``state``.

    Raises:
        TypeError: It is not an array of numbers.
        ValueError: It has another size, or holds NaN or infinity.
    """
    numbers = state if isinstance(state, np.ndarray) else _as_array(state, display_name)
    if numbers.dtype.kind not in "buif":
        raise TypeError(
            f"{display_name}: the observation must be an array of numbers, not "
            f"{type(state).__name__} of {numbers.dtype}"
        )
    if numbers.size != size:
        raise ValueError(
            f"{display_name}: the observation has shape {list(numbers.shape)}, "
            f"expected {size} values"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is told below
        flat = np.array(numbers, dtype=np.float32).reshape(-1)
        squares = flat.dot(flat)  # one cheap product; too large for some finite values
    if not math.isfinite(squares) and not (finite := np.isfinite(flat)).all():
        at = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"{display_name}: the observation is {numbers.reshape(-1)[at]} at position {at} of "
            f"{size}, not a finite number in single precision"
        )
    return flat


def _as_array(state: Any, display_name: str) -> np.ndarray:
    """Return what is no array yet as one: nested lists, or a tensor of any type and device."""
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
