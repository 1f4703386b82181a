"""The plot of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sorrel_recurrent_ppo.reports.comparison import Comparison, GroupResult
from sorrel_recurrent_ppo.support.agent_colors import curve_style
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.curves import smoothing_window
from sorrel_recurrent_ppo.support.statistics import interquartile_mean
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["plot_comparison"]

MAX_POINTS = 400  # per curve: more are indistinguishable, and each costs a bootstrap


def plot_comparison(comparison: Comparison, path: Path, *, title: str) -> None:
    """Plot each group's curve with its interval, and beside them the final values of all runs.

    Args:
        comparison: The comparison.
        path: The PNG file.
        title: The first part of the title, such as the environment's name.
    """
    groups, n_epochs, metric = comparison.groups, comparison.n_epochs, comparison.metric
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    curve_axes, final_axes = figure.subplots(1, 2, width_ratios=[3, 2])
    for row, group in enumerate(groups):
        color, line_style = curve_style(row)
        _draw_curve(curve_axes, group, n_epochs, color, line_style)
        _draw_final(final_axes, group, row, color)
    window = smoothing_window(n_epochs)
    curve_axes.set_xlabel("epoch")
    curve_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    curve_axes.set_ylabel(f"{metric} per epoch" + (f", mean of {window}" if window > 1 else ""))
    figure.legend(loc="outside lower left", ncols=3, frameon=False)
    final_axes.set_xlabel(f"{metric}, last tenth of {n_epochs} epochs")
    final_axes.set_yticks(range(len(groups)), [group.label for group in groups])
    final_axes.set_ylim(len(groups) - 0.5, -0.5)
    for axes in (curve_axes, final_axes):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: interquartile mean over seeds, 95 % bootstrap interval")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")


def _draw_curve(axes: Axes, group: GroupResult, n_epochs: int, color: str, line_style: str) -> None:
    window = smoothing_window(n_epochs)
    epochs = np.unique(np.linspace(0, n_epochs - 1, min(n_epochs, MAX_POINTS)).astype(int))
    curves = [curve.metric.smoothed(window, at=epochs) for curve in group.curves]
    estimate = interquartile_mean(np.array(curves))
    label = f"{group.label} ({counted(group.n_seeds, 'seed')})"
    line = axes.plot(epochs, estimate.value, line_style, color=color, linewidth=2, label=label)[0]
    line.set_marker("o" if n_epochs == 1 else "")
    axes.fill_between(epochs, estimate.low, estimate.high, color=color, alpha=0.2, linewidth=0)


def _draw_final(axes: Axes, group: GroupResult, row: int, color: str) -> None:
    finals = [score.final for score in group.scores]
    estimate = group.estimates["final"]
    heights = np.full(len(finals), row + 0.16)
    axes.plot(finals, heights, "o", color=color, alpha=0.4, markersize=5, markeredgewidth=0)
    axes.hlines(row, estimate.low, estimate.high, color=color, linewidth=7, alpha=0.35)
    axes.plot([estimate.value], [row], "D", color=color, markersize=7)
