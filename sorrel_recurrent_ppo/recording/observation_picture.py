"""Observations as colour images."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps

from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates

__all__ = ["LegendEntry", "channel_legend", "observation_pictures"]

BACKGROUND = (0.97, 0.97, 0.94)
WALL = (0.35, 0.35, 0.35)
# Without the palette's grey, which is reserved for walls.
PALETTE = [color for i, color in enumerate(colormaps["tab10"].colors) if i != 7]  # pyright: ignore[reportAttributeAccessIssue]


class LegendEntry(NamedTuple):
    """The name of a channel and its colour."""

    name: str
    color: tuple[float, float, float]


def channel_legend(states: RecordedStates) -> list[LegendEntry]:
    """Return the channels of a one-hot picture that occur in the states; ``[]`` for others.

    The kind that cells of zeros show comes first.
    """
    if not _shows_channels(states):
        return []
    pictures = _pictures(states)
    seen = pictures.any(axis=(0, 2, 3))
    entries = zip(_channel_names(states), _channel_colors(states), seen, strict=True)
    named = [LegendEntry(name, color) for name, color, occurs in entries if occurs and name]
    background = states.subject.background
    if background and not pictures.any(axis=1).all():
        named.insert(0, LegendEntry(background, BACKGROUND))
    return named


def observation_pictures(states: RecordedStates) -> np.ndarray:
    """Return the observations as RGB images, ``(N, height, width, 3)`` from 0 to 1.

    A one-hot picture has one colour per channel. Where a cell has several channels, the one that
    occurs least often is drawn, since the most frequent ones are the ground. A picture of three
    channels without names is taken as RGB. An observation without a picture becomes a square of
    its values in grey.
    """
    if not states.subject.picture:
        return _value_squares(states.steps["observations"])
    pictures = _pictures(states)
    if not _shows_channels(states):
        return np.clip(np.moveaxis(pictures, 1, 3), 0.0, 1.0)
    colors = _channel_colors(states)
    images = np.empty((len(pictures), *pictures.shape[2:], 3), np.float32)
    images[:] = BACKGROUND
    counts = (pictures > 0).sum(axis=(0, 2, 3))
    for channel in np.argsort(-counts, kind="stable"):
        images[pictures[:, channel] > 0] = colors[channel]
    return images


def _pictures(states: RecordedStates) -> np.ndarray:
    shape = states.subject.picture
    flat = states.steps["observations"][:, : math.prod(shape)]
    return flat.reshape(len(flat), *shape)


def _shows_channels(states: RecordedStates) -> bool:
    subject = states.subject
    return bool(subject.picture) and (bool(subject.channels) or subject.picture[0] != 3)


def _channel_names(states: RecordedStates) -> list[str]:
    names, n_channels = list(states.subject.channels), states.subject.picture[0]
    return names if len(names) == n_channels else [f"channel {i}" for i in range(n_channels)]


def _channel_colors(states: RecordedStates) -> list[tuple[float, float, float]]:
    names = _channel_names(states)
    others = [name for name in names if name and name != "Wall"]
    palette = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(others)}
    return [WALL if name == "Wall" else palette.get(name, BACKGROUND) for name in names]


def _value_squares(observations: np.ndarray) -> np.ndarray:
    n, size = observations.shape
    side = math.ceil(math.sqrt(size))
    low, high = float(observations.min()), float(observations.max())
    padded = np.zeros((n, side * side), np.float32)
    padded[:, :size] = (observations - low) / max(high - low, 1e-9)
    return np.repeat(padded.reshape(n, side, side, 1), 3, axis=3)
