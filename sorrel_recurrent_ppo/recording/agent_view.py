"""A GIF of an epoch from an agent's point of view: its observations and its hidden state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from sorrel_recurrent_ppo.recording.observation_picture import channel_legend, observation_pictures
from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates
from sorrel_recurrent_ppo.recording.state_plots import (
    action_labels,
    draw_rewards_and_values,
    draw_units,
)
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["MAX_FRAMES", "animate_agent_view"]

MAX_FRAMES = 300
MILLISECONDS = 150


def animate_agent_view(states: RecordedStates, path: Path) -> None:
    """Write a GIF of one epoch, with one frame for each of its first `MAX_FRAMES` steps.

    On the left is the observation, with a ring at the agent itself; on the right are the hidden
    state, value and reward over the epoch, with a line at the current turn.

    Args:
        states: The steps of one epoch.
        path: The GIF file.
    """
    figure = _ViewFigure(states)
    frames = [figure.frame(step) for step in range(min(len(states), MAX_FRAMES))]
    with atomic_write(path) as partial:
        frames[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=MILLISECONDS,
            loop=0,
        )


class _ViewFigure:
    """A figure whose static parts are drawn once; each frame redraws only the moving artists."""

    def __init__(self, states: RecordedStates) -> None:
        self._states = states
        self._pictures = observation_pictures(states)
        self._actions = action_labels(states)
        figure = Figure(figsize=(9, 4.2), dpi=90, layout="constrained")
        self._canvas = FigureCanvasAgg(figure)
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2, 3])[0]
        view_axes = left.subplots()
        value_axes, state_axes = right.subplots(2, sharex=True, height_ratios=[1, 2])
        draw_rewards_and_values(value_axes, states)
        image = draw_units(state_axes, states.steps["hidden_states"])
        state_axes.set_xlabel("turn")
        right.colorbar(image, ax=state_axes, label="hidden state", pad=0.01)
        legend: list[Artist] = [
            Patch(facecolor=entry.color, edgecolor="0.6", label=entry.name)
            for entry in channel_legend(states)
        ]
        self._view = view_axes.imshow(self._pictures[0], vmin=0, vmax=1)
        marks = _agent_marks(view_axes, states)
        legend += marks
        if legend:
            left.legend(
                handles=legend, loc="outside lower center", ncols=3, fontsize="small", frameon=False
            )
        left.suptitle(f"observation of agent {states.subject.agent} ({states.subject.model})")
        view_axes.set_xticks([])
        view_axes.set_yticks([])
        view_axes.spines[:].set_visible(False)  # the image would cover half of their width
        self._caption = view_axes.set_xlabel(" ")
        self._lines = [axes.axvline(1, color="black") for axes in (value_axes, state_axes)]
        self._moving: list[Artist] = [self._view, *marks, self._caption, *self._lines]
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def frame(self, step: int) -> Image.Image:
        """Return the frame of a step, counted from 0."""
        steps = self._states.steps
        self._canvas.restore_region(self._background)
        self._view.set_data(self._pictures[step])
        self._caption.set_text(
            f"epoch {steps['epochs'][step]}, turn {steps['turns'][step]}: "
            f"{self._actions[int(steps['actions'][step])]}, reward {steps['rewards'][step]:g}"
        )
        for line in self._lines:
            line.set_xdata([step + 1, step + 1])
        for artist in self._moving:
            artist.draw(self._canvas.get_renderer())
        pixels = np.asarray(self._canvas.buffer_rgba())[..., :3]
        return Image.fromarray(pixels.copy()).quantize(method=Image.Quantize.FASTOCTREE)


def _agent_marks(axes: Axes, states: RecordedStates) -> list[Line2D]:
    """Mark the agent itself where it is in the middle of its picture; else return ``[]``."""
    subject = states.subject
    if not (subject.is_centred and subject.picture):
        return []
    _, height, width = subject.picture
    middle = ([(width - 1) / 2], [(height - 1) / 2])
    return axes.plot(
        *middle,
        marker="o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor="black",
        markeredgewidth=2,
        linestyle="none",
        label=f"agent {subject.agent}",
    )
