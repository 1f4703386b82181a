"""The rewards of each agent of a run, read from ``agents.csv`` and downsampled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sorrel_recurrent_ppo.support.csv_blocks import read_blocks, to_numbers, to_text
from sorrel_recurrent_ppo.support.downsampling import Downsampling

__all__ = ["AgentCurve", "read_agent_curves"]


@dataclass(frozen=True)
class AgentCurve:
    """The rewards of an agent.

    Attributes:
        name: Its lasting name.
        model: The registry name of its model.
        kind: Its kind; empty in runs that did not record it.
        rewards: Its rewards.
    """

    name: str
    model: str
    kind: str
    rewards: Downsampling


def read_agent_curves(path: Path, n_epochs: int) -> list[AgentCurve]:
    """Read the agents of a run, in the order in which they appear.

    Args:
        path: ``agents.csv``.
        n_epochs: The number of epochs of the run.

    Raises:
        ValueError: The file is damaged.
    """
    found: dict[str, AgentCurve] = {}
    for block in read_blocks(path, ["epoch", "epochs", "agent", "model", "kind", "reward"]):
        epochs, rewards = to_numbers(block["epoch"]), to_numbers(block["reward"])
        counts = to_numbers(block["epochs"]) if "epochs" in block else np.ones(len(epochs))
        _, first = np.unique(block["agent"], return_index=True)
        for row in np.sort(first):
            own = block["agent"] == block["agent"][row]
            cells = {column: str(to_text(array[row])) for column, array in block.items()}
            name = cells["agent"]
            if name not in found:
                found[name] = AgentCurve(
                    name, cells["model"], cells.get("kind", ""), Downsampling(n_epochs)
                )
            found[name].rewards.add(epochs[own], counts[own], rewards[own])
    return list(found.values())
