"""Observations as pictures that people can read."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps

from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates

__all__ = ["LegendEntry", "channel_legend", "observation_pictures"]

NOTHING = (0.97, 0.97, 0.94)
WALL = (0.35, 0.35, 0.35)
# The grey of this palette is left to walls.
PALETTE = [color for i, color in enumerate(colormaps["tab10"].colors) if i != 7]  # pyright: ignore[reportAttributeAccessIssue]


class LegendEntry(NamedTuple):
    """A colour and what it stands for."""

    name: str
    color: tuple[float, float, float]


def channel_legend(states: RecordedStates) -> list[LegendEntry]:
    """Return the colours of the channels of a one-hot picture that are ever seen; else ``[]``."""
    if not _shows_channels(states):
        return []
    seen = _pictures(states).any(axis=(0, 2, 3))
    entries = zip(_channel_names(states), _channel_colors(states), seen, strict=True)
    return [LegendEntry(name, color) for name, color, any_seen in entries if any_seen and name]


def observation_pictures(states: RecordedStates) -> np.ndarray:
    """Return what an agent saw at each step as colours, ``(N, height, width, 3)`` from 0 to 1.

    A one-hot picture gets a colour for each channel; where several things are in one cell, that
    which is seen least often is drawn, since what is everywhere is the ground. A picture of three
    channels without names is taken for red, green and blue. An observation without a picture
    becomes a square of its numbers in grey.
    """
    if not states.subject.picture:
        return _as_squares(states.steps["observations"])
    pictures = _pictures(states)
    if not _shows_channels(states):
        return np.clip(np.moveaxis(pictures, 1, 3), 0.0, 1.0)
    colors = _channel_colors(states)
    drawn = np.empty((len(pictures), *pictures.shape[2:], 3), np.float32)
    drawn[:] = NOTHING
    often = (pictures > 0).sum(axis=(0, 2, 3))
    for channel in np.argsort(-often, kind="stable"):
        drawn[pictures[:, channel] > 0] = colors[channel]
    return drawn


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
    return [WALL if name == "Wall" else palette.get(name, NOTHING) for name in names]


def _as_squares(observations: np.ndarray) -> np.ndarray:
    n, size = observations.shape
    side = math.ceil(math.sqrt(size))
    low, high = float(observations.min()), float(observations.max())
    padded = np.zeros((n, side * side), np.float32)
    padded[:, :size] = (observations - low) / max(high - low, 1e-9)
    return np.repeat(padded.reshape(n, side, side, 1), 3, axis=3)
