"""The picture of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sorrel_recurrent_ppo.experiments.logging.plotting import smooth, smoothing_window
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.statistics import Estimate, interquartile_mean

__all__ = ["PlottedGroup", "plot_comparison"]

MAX_POINTS = 400  # along a curve: more cannot be told apart, and each costs a bootstrap


@dataclass(frozen=True)
class PlottedGroup:
    """What is drawn of a group.

    Attributes:
        label: Its name in the legend.
        curves: Values of its runs; shape ``(n_seeds, n_epochs)``.
        finals: Final value of each run; shape ``(n_seeds,)``.
        final: Their estimate.
    """

    label: str
    curves: np.ndarray
    finals: np.ndarray
    final: Estimate


def plot_comparison(path: Path, groups: Sequence[PlottedGroup], *, metric: str, title: str) -> None:
    """Draw each group's curve with its interval, and beside them the final values of all runs.

    Args:
        path: The picture's file.
        groups: The groups, from top to bottom.
        metric: What the values are, for the axes.
        title: What stands above the picture.
    """
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    curve_axes, final_axes = figure.subplots(1, 2, width_ratios=[3, 2])
    colors = colormaps["tab10" if len(groups) <= 10 else "viridis"]
    spread = np.linspace(0, 0.9, len(groups))
    for place, group in enumerate(groups):
        color = colors(place) if len(groups) <= 10 else colors(spread[place])
        _draw_curve(curve_axes, group, color)
        _draw_final(final_axes, group, place, color)
    n_epochs = groups[0].curves.shape[1]
    window = smoothing_window(n_epochs)
    curve_axes.set_xlabel("epoch")
    curve_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    curve_axes.set_ylabel(f"{metric} per epoch" + (f", mean of {window}" if window > 1 else ""))
    curve_axes.legend(loc="best", frameon=False)
    final_axes.set_xlabel(f"{metric}, last tenth of {n_epochs} epochs")
    final_axes.set_yticks(range(len(groups)), [group.label for group in groups])
    final_axes.set_ylim(len(groups) - 0.5, -0.5)
    for axes in (curve_axes, final_axes):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: interquartile mean over seeds, 95 % bootstrap interval")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")


def _draw_curve(axes: Axes, group: PlottedGroup, color: object) -> None:
    n_seeds, n_epochs = group.curves.shape
    window = smoothing_window(n_epochs)
    epochs = np.unique(np.linspace(0, n_epochs - 1, min(n_epochs, MAX_POINTS)).astype(int))
    smoothed = np.array([smooth(values, window) for values in group.curves])[:, epochs]
    estimate = interquartile_mean(smoothed)
    label = f"{group.label} ({n_seeds} seed{'' if n_seeds == 1 else 's'})"
    marker = "o" if n_epochs == 1 else None
    axes.plot(epochs, estimate.value, color=color, linewidth=2, label=label, marker=marker)
    axes.fill_between(epochs, estimate.low, estimate.high, color=color, alpha=0.2, linewidth=0)


def _draw_final(axes: Axes, group: PlottedGroup, place: int, color: object) -> None:
    at = np.full(len(group.finals), place + 0.16)
    axes.plot(group.finals, at, "o", color=color, alpha=0.4, markersize=5, markeredgewidth=0)
    axes.hlines(place, group.final.low, group.final.high, color=color, linewidth=7, alpha=0.35)
    axes.plot([group.final.value], [place], "D", color=color, markersize=7)
