"""Plots of recorded hidden states: over time, and by their principal components."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sorrel_recurrent_ppo.policy.actions import split_actions
from sorrel_recurrent_ppo.recording.recorded_states import RecordedStates
from sorrel_recurrent_ppo.recording.state_components import principal_components, unit_order
from sorrel_recurrent_ppo.support.agent_colors import PALETTE
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = [
    "COLOURS",
    "action_labels",
    "draw_rewards_and_values",
    "draw_units",
    "plot_components",
    "plot_hidden_states",
]

# The array and the label of each variable that components can be coloured by.
COLOURS = {
    "reward": ("rewards", "reward of the step"),
    "action": ("actions", "action"),
    "value": ("values", "value"),
    "log_prob": ("log_probs", "log-probability of the action"),
    "turn": ("turns", "turn"),
    "epoch": ("epochs", "epoch"),
    "done": ("dones", "last step of an episode"),
}
MAX_CATEGORIES = 20
STATE_MAP = "RdBu_r"


def plot_hidden_states(states: RecordedStates, path: Path, *, array: str = "hidden_states") -> None:
    """Plot the states of all units over the steps, below the values and rewards.

    Args:
        states: The steps to draw.
        path: The PNG file.
        array: ``"hidden_states"`` or ``"cell_states"``.
    """
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    value_axes, state_axes = figure.subplots(2, sharex=True, height_ratios=[1, 3])
    draw_rewards_and_values(value_axes, states)
    image = draw_units(state_axes, states.steps[array])
    state_axes.set_xlabel("step" if len(states.epochs) > 1 else "turn")
    figure.colorbar(image, ax=state_axes, label=array.replace("_", " "), pad=0.01)
    for axes in (value_axes, state_axes):
        _mark_episode_starts(axes, states)
    figure.suptitle(_title(states))
    _save(figure, path)


def plot_components(
    states: RecordedStates, path: Path, *, colour: str, array: str = "hidden_states"
) -> None:
    """Plot each state in the plane of the first two principal components.

    Args:
        states: The steps to draw.
        path: The PNG file.
        colour: One of `COLOURS`.
        array: ``"hidden_states"`` or ``"cell_states"``.
    """
    components = principal_components(states.steps[array])
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    axes = figure.subplots()
    starts = np.flatnonzero(states.steps["episode_starts"])
    for episode in np.split(components.scores, starts[starts > 0]):
        axes.plot(*episode.T, color="0.75", linewidth=0.5, zorder=1)
    _scatter(axes, components.scores, states, colour)
    for label, part, share in zip("xy", ("first", "second"), components.explained, strict=True):
        axes.set(**{f"{label}label": f"{part} component ({share:.0%} of the variance)"})
    axes.grid(alpha=0.25)
    figure.suptitle(f"{_title(states)}: {array.replace('_', ' ')}")
    _save(figure, path)


def draw_units(axes: Axes, values: np.ndarray) -> ScalarMappable:
    """Draw states ``(N, H)`` as a heat map; step ``i``, from 0, spans ``i + 1/2`` to ``i + 3/2``.

    Returns:
        The image, for a colour bar.
    """
    limit = max(float(np.quantile(np.abs(values), 0.995)), 1e-6)
    image = axes.imshow(
        values[:, unit_order(values)].T,
        aspect="auto",
        interpolation="nearest",
        cmap=STATE_MAP,
        vmin=-limit,
        vmax=limit,
        extent=(0.5, len(values) + 0.5, values.shape[1], 0),
    )
    axes.set_ylabel("unit, sorted by correlation")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return image


def draw_rewards_and_values(axes: Axes, states: RecordedStates) -> None:
    """Draw the rewards over the steps as bars, and the values as a line.

    Values of scaled rewards have an axis of their own on the right.
    """
    steps = np.arange(1, len(states) + 1)
    scaled = states.subject.reward_scaling
    value_axes = axes.twinx() if scaled else axes
    reward_color, value_color = PALETTE[1], PALETTE[0]
    axes.bar(steps, states.steps["rewards"], width=1.0, color=reward_color, label="reward")
    value_axes.plot(steps, states.steps["values"], color=value_color, linewidth=1.2, label="value")
    axes.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    axes.margins(x=0)
    if scaled:
        axes.set_ylabel("reward", color=reward_color)
        value_axes.set_ylabel("value\n(scaled rewards)", color=value_color)
        return
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        frameon=False,
        fontsize="small",
        borderaxespad=0.2,
    )


def action_labels(states: RecordedStates) -> dict[int, str]:
    """Return labels of the actions that occur: their names, else their branches or numbers."""
    subject = states.subject
    actions = np.unique(states.steps["actions"])
    names = dict(enumerate(subject.action_names))
    branches = split_actions(actions, subject.action_dims)
    is_factored = sum(size > 1 for size in subject.action_dims) > 1
    return {
        int(action): names.get(int(action), "")
        or (", ".join(map(str, each)) if is_factored else f"action {action}")
        for action, each in zip(actions.tolist(), branches.tolist(), strict=True)
    }


def _scatter(axes: Axes, scores: np.ndarray, states: RecordedStates, colour: str) -> None:
    array, label = COLOURS[colour]
    values = states.steps[array]
    categories = np.unique(values)
    discrete = colour in ("action", "done") and len(categories) <= MAX_CATEGORIES
    if not discrete:
        points = axes.scatter(*scores.T, c=values, cmap="viridis", s=14, zorder=2)
        axes.figure.colorbar(points, ax=axes, label=label)
        return
    names = action_labels(states) if colour == "action" else {0: "no", 1: "yes"}
    palette = colormaps["tab10" if len(categories) <= 10 else "tab20"]
    for i, category in enumerate(categories.tolist()):
        own, name = values == category, names[int(category)]
        axes.scatter(*scores[own].T, color=palette(i), s=14, zorder=2, label=name)
    axes.legend(title=label, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _mark_episode_starts(axes: Axes, states: RecordedStates) -> None:
    """Draw a line at the start of every episode but the first."""
    for step in np.flatnonzero(states.steps["episode_starts"])[1:]:
        axes.axvline(step + 0.5, color="0.2", linestyle="--", linewidth=0.8)


def _title(states: RecordedStates) -> str:
    epochs = states.epochs
    span = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    return f"agent {states.subject.agent} ({states.subject.model}), {span}"


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
