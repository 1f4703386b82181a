"""The learning curve of a run, drawn from its CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from sorrel_recurrent_ppo.support.curves import smooth, smoothing_window

__all__ = ["learning_curve", "plot_learning_curve"]

MAX_AGENTS_IN_LEGEND = 12
_STYLES = ("-", "--", ":", "-.")  # of the kinds of agents


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

    Epochs at which agents were replaced are marked. Each kind of agents has a line style.

    Args:
        files: As for `plot_learning_curve`.
    """
    metrics = read_columns(files.metrics)
    agents = read_columns(files.agents)
    replaced = _replacement_epochs(files)
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    total_axes, agent_axes = figure.subplots(2, sharex=True, height_ratios=[3, 2])
    window = smoothing_window(len(metrics["epoch"]))
    _draw_total(total_axes, metrics, window)
    _draw_agents(agent_axes, agents, window)
    for axes in (total_axes, agent_axes):
        _mark_replacements(axes, replaced)
        axes.grid(alpha=0.25)
    total_axes.legend(loc="best", frameon=False)
    return figure


def _replacement_epochs(files: RunFiles) -> list[float]:
    if not files.replacements.exists():
        return []
    return sorted(set(as_numbers(read_columns(files.replacements)["epoch"]).tolist()))


def _draw_total(axes: Axes, metrics: Mapping[str, np.ndarray], window: int) -> None:
    epochs, rewards = as_numbers(metrics["epoch"]), as_numbers(metrics["reward"])
    axes.plot(epochs, rewards, color="C0", alpha=0.3, linewidth=0.8, label="each epoch")
    label = f"mean of {window} epochs" if window > 1 else "total reward"
    axes.plot(epochs, smooth(rewards, window), color="C0", linewidth=2, label=label)
    axes.set_ylabel("total reward per epoch")


def _draw_agents(axes: Axes, agents: Mapping[str, np.ndarray], window: int) -> None:
    names = list(dict.fromkeys(agents["agent"].tolist()))
    colors = colormaps["viridis"](np.linspace(0, 0.9, len(names)))
    kinds = list(dict.fromkeys(agents.get("kind", np.array([""])).tolist()))  # older runs have none
    for name, color in zip(names, colors, strict=True):
        own = agents["agent"] == name
        description, style = str(agents["model"][own][0]), "-"
        if len(kinds) > 1:
            kind = agents["kind"][own][0]
            description, style = f"{kind}, {description}", _STYLES[kinds.index(kind) % len(_STYLES)]
        epochs, rewards = as_numbers(agents["epoch"][own]), as_numbers(agents["reward"][own])
        axes.plot(
            *(epochs, smooth(rewards, window), style),
            color=color,
            linewidth=1.2,
            label=f"agent {name} ({description})",
        )
    axes.set_ylabel("reward per agent")
    axes.set_xlabel("epoch")
    if len(names) <= MAX_AGENTS_IN_LEGEND:
        axes.legend(loc="best", frameon=False, fontsize="small", ncols=2)


def _mark_replacements(axes: Axes, epochs: Sequence[float]) -> None:
    for epoch in epochs:
        label = "replacement" if epoch == epochs[0] else None
        axes.axvline(epoch, color="0.4", linestyle="--", linewidth=0.8, label=label)
