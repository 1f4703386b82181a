"""The table, the CSV files and the JSON file of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from sorrel_recurrent_ppo.reports.evaluation_results import Evaluation
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.csv_table import write_table

__all__ = ["EVALUATION_FILE", "evaluation_table", "write_evaluation"]

EVALUATION_FILE = "evaluation.json"


def evaluation_table(run: SavedRun, evaluation: Evaluation) -> Table:
    """Return the table of an evaluation for the console: the world's total, then each agent."""
    n_epochs = len(evaluation.rewards(evaluation.modes[0]))
    table = Table(
        title=f"Reward per epoch: mean of {n_epochs} \u00b1 standard deviation \\[min, max]",
        title_justify="left",
    )
    has_kinds = _has_kinds(evaluation)
    for heading in (
        ("index", "agent", "kind", "model") if has_kinds else ("index", "agent", "model")
    ):
        table.add_column(heading, overflow="fold")
    for mode in evaluation.modes:
        table.add_column(mode, justify="right")
    own = f"{run.directory}:"
    for row, (index, name, kind, model) in enumerate(_row_labels(evaluation)):
        cells = [_cell(evaluation.rewards(mode)[:, row]) for mode in evaluation.modes]
        kinds = [kind] if has_kinds else []
        table.add_row(index, name.removeprefix(own), *kinds, model, *cells, end_section=row == 0)
    return table


def _has_kinds(evaluation: Evaluation) -> bool:
    return len({saved.agent.kind for saved in evaluation.agents}) > 1


def _row_labels(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """Return index, agent, kind and model for the world's total and for each agent."""
    rows = [("total", "", "", "")]
    for index, saved in enumerate(evaluation.agents):
        untrained = " (no updates)" if saved.agent.n_updates == 0 else ""
        model = saved.agent.model_name + untrained
        rows.append((str(index), str(saved), saved.agent.kind, model))
    return rows


def _cell(rewards: np.ndarray) -> str:
    spread = f" \u00b1 {rewards.std(ddof=1):.1f}" if len(rewards) > 1 else ""
    return f"{rewards.mean():.1f}{spread}\n\\[{rewards.min():g}, {rewards.max():g}]"


def write_evaluation(evaluation: Evaluation, settings: Mapping[str, Any], output: Path) -> None:
    """Write ``epochs.csv``, ``summary.csv`` and ``evaluation.json``.

    Args:
        evaluation: The evaluation.
        settings: The settings of the command.
        output: The directory of the files.
    """
    output.mkdir(parents=True, exist_ok=True)
    _write_epochs(evaluation, output / "epochs.csv")
    summary = _summary(evaluation)
    write_table(output / "summary.csv", list(summary[0]), summary)
    content = {
        "settings": dict(settings),
        "agents": [
            {
                "index": index,
                "checkpoint": str(saved.checkpoint),
                "kind": saved.agent.kind,
                "model": saved.agent.model_name,
            }
            for index, saved in enumerate(evaluation.agents)
        ],
        "summary": summary,
        "epochs": [asdict(epoch) for epoch in evaluation.epochs],
    }
    with atomic_write(output / EVALUATION_FILE) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_epochs(evaluation: Evaluation, path: Path) -> None:
    rewards = [f"reward/{index}" for index in range(len(evaluation.agents))]
    values = list(dict.fromkeys(name for epoch in evaluation.epochs for name in epoch.values))
    rows = [
        {
            "mode": epoch.mode,
            "epoch": epoch.epoch,
            "seed": epoch.seed,
            "reward": epoch.reward,
            **dict(zip(rewards, epoch.agent_rewards, strict=True)),
            **epoch.values,
        }
        for epoch in evaluation.epochs
    ]
    write_table(path, ["mode", "epoch", "seed", "reward", *rewards, *values], rows)


def _summary(evaluation: Evaluation) -> list[dict[str, str | float | None]]:
    rows: list[dict[str, str | float | None]] = []
    for mode in evaluation.modes:
        for column, (index, name, kind, model) in enumerate(_row_labels(evaluation)):
            rewards = evaluation.rewards(mode)[:, column]
            rows.append(
                {
                    "mode": mode,
                    "index": index,
                    "agent": name,
                    "kind": kind,
                    "model": model,
                    "n_epochs": len(rewards),
                    "mean": float(rewards.mean()),
                    "std": float(rewards.std(ddof=1)) if len(rewards) > 1 else None,
                    "min": float(rewards.min()),
                    "max": float(rewards.max()),
                }
            )
    return rows
