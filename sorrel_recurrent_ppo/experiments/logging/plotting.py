"""The learning curve of a run, drawn from its CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sorrel_recurrent_ppo.experiments.logging.agent_curves import AgentCurve, read_agent_curves
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.agent_colors import agent_style
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from sorrel_recurrent_ppo.support.curves import smoothing_window
from sorrel_recurrent_ppo.support.downsampling import Downsampling
from sorrel_recurrent_ppo.support.epoch_curve import EpochCurve, read_reward_curve

__all__ = ["learning_curve", "plot_learning_curve"]

MAX_AGENTS_IN_LEGEND = 14


def plot_learning_curve(files: RunFiles, title: str) -> None:
    """Draw ``learning_curve.png`` from the other files of a run.

    Args:
        files: The run's files; reads ``metrics.csv``, ``agents.csv`` and, if it exists,
            ``replacements.csv``.
        title: The figure's title.
    """
    figure = learning_curve(files)
    figure.suptitle(title)
    with atomic_write(files.learning_curve) as partial:
        figure.savefig(partial, dpi=120, format="png")


def learning_curve(files: RunFiles) -> Figure:
    """Return a figure of the total reward of each epoch, and each agent's own.

    Each kind of agents has a panel. Epochs at which agents were replaced are marked, and newcomers
    are labelled with whom they replaced.

    Args:
        files: As for `plot_learning_curve`.
    """
    total = read_reward_curve(files.metrics)
    agents = read_agent_curves(files.agents, total.n_epochs)
    replacements = read_columns(files.replacements) if files.replacements.exists() else {}
    replaced = sorted(set(as_numbers(replacements.get("epoch", np.array([]))).tolist()))
    panels = list(dict.fromkeys(agent.kind for agent in agents)) or [""]
    figure = Figure(figsize=(10, 4 + 2.5 * len(panels)), layout="constrained")
    axes = figure.subplots(1 + len(panels), sharex=True, height_ratios=[3, *[2] * len(panels)])
    window = smoothing_window(total.n_epochs)
    _draw_total(axes[0], total, window)
    for kind, panel in zip(panels, axes[1:], strict=True):
        of_kind = [agent for agent in agents if agent.kind == kind]
        _draw_agents(panel, of_kind, window, _origins(replacements))
        whose = f"reward per {kind}" if len(panels) > 1 else "reward per agent"
        panel.set_ylabel(whose + (f",\nmean of {window} epochs" if window > 1 else ""))
    axes[-1].set_xlabel("epoch")
    for panel in axes:
        label = "replacement" if panel is axes[0] else None
        for epoch in replaced:
            line = panel.axvline(epoch, color="0.6", linewidth=0.8, zorder=0.5)
            line.set_label(label if epoch == replaced[0] else None)
        _add_legend(panel)
        panel.grid(alpha=0.25)
    return figure


def _add_legend(axes: Axes) -> None:
    """Add a legend beside the data, in which the latest agents are listed if there are many."""
    lines, labels = axes.get_legend_handles_labels()
    latest, n = slice(-MAX_AGENTS_IN_LEGEND, None), len(lines)
    title = f"the last {MAX_AGENTS_IN_LEGEND} of {n}" if n > MAX_AGENTS_IN_LEGEND else None
    axes.legend(
        *(lines[latest], labels[latest]),
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize="small",
    )


def _origins(replacements: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return for each newcomer since when it is there and whom it replaced."""
    if not replacements:
        return {}
    rows = zip(*(replacements[name] for name in ("joined", "epoch", "left")), strict=True)
    return {joined: f"since epoch {epoch}, after agent {left}" for joined, epoch, left in rows}


def _draw_total(axes: Axes, total: EpochCurve, window: int) -> None:
    sampling = Downsampling(total.n_epochs)
    sampling.add(total.epochs, total.counts, total.values)
    band, period = sampling.band(), int(total.counts[0])
    epochs = band.mean.epochs
    each = "each epoch" if period == 1 else f"each mean of {period} epochs"
    if len(epochs) == len(total.values):
        axes.plot(epochs, total.values, color="C0", alpha=0.3, linewidth=0.8, label=each)
    else:
        label = f"lowest to highest of {each}"
        axes.fill_between(epochs, band.low, band.high, color="C0", alpha=0.3, lw=0, label=label)
    label = f"mean of {window} epochs" if window > 1 else "total reward"
    smoothed = band.mean.smoothed(window)
    axes.plot(epochs, smoothed, "-" + _marker(epochs), color="C0", lw=2, ms=4, label=label)
    axes.set_ylabel("total reward per epoch")


def _draw_agents(
    axes: Axes, agents: Sequence[AgentCurve], window: int, origins: Mapping[str, str]
) -> None:
    for agent in agents:
        name, model, curve = agent.name, agent.model, agent.rewards.band().mean
        color, style = agent_style(name)
        described = f"{model}, {origins[name]}" if name in origins else model
        axes.plot(
            *(curve.epochs, curve.smoothed(window), style + _marker(curve.epochs)),
            color=color,
            linewidth=1.4,
            markersize=4,
            label=f"agent {name} ({described})",
        )


def _marker(epochs: np.ndarray) -> str:
    """Return the marker of a curve: a single value is not visible as a line."""
    return "o" if len(epochs) == 1 else ""
