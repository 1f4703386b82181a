"""Recorded steps of an agent, with its hidden states, and their file format."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["CELL_STATES", "PER_STEP", "RecordedStates", "Subject", "load_states", "save_states"]

CELL_STATES = "cell_states"  # LSTM only

PER_STEP = (
    "epochs",
    "turns",
    "observations",
    "actions",
    "rewards",
    "dones",
    "episode_starts",
    "values",
    "log_probs",
    "hidden_states",
)


@dataclass(frozen=True)
class Subject:
    """The recorded agent, and the meaning of its observations and actions.

    Attributes:
        agent: The agent's name.
        model: The registry name of its model.
        picture: ``(channels, height, width)`` of the picture at the start of its observations, or
            ``()`` if they have none.
        channels: The entity kind of each channel of a one-hot picture; empty for other pictures.
        action_names: The environment's names of the actions; may be empty.
        action_dims: Sizes of the action's branches.
        background: The entity kind without a channel, which a cell of zeros shows; may be empty.
        is_centred: Whether the agent is in the middle of its picture.
        reward_scaling: Whether its values are those of scaled rewards.
    """

    agent: str
    model: str
    picture: tuple[int, ...]
    channels: tuple[str, ...]
    action_names: tuple[str, ...]
    action_dims: tuple[int, ...]
    background: str = ""
    is_centred: bool = False
    reward_scaling: bool = True


@dataclass(frozen=True)
class RecordedStates:
    """Recorded epochs of one agent: ``N`` steps in order.

    Attributes:
        subject: The recorded agent.
        steps: The arrays of `PER_STEP`, each with ``N`` rows, and `CELL_STATES` for an LSTM.
    """

    subject: Subject
    steps: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.steps["epochs"])

    @property
    def epochs(self) -> list[int]:
        """The numbers of the recorded epochs, in order."""
        return np.unique(self.steps["epochs"]).tolist()

    @property
    def n_bytes(self) -> int:
        """The size of the steps in memory."""
        return sum(array.nbytes for array in self.steps.values())

    def select(self, steps_to_keep: np.ndarray) -> RecordedStates:
        """Return the steps selected by an array of indices or a boolean mask."""
        steps = {name: array[steps_to_keep] for name, array in self.steps.items()}
        return RecordedStates(self.subject, steps)

    def of_epoch(self, epoch: int) -> RecordedStates:
        """Return the steps of one epoch."""
        return self.select(self.steps["epochs"] == epoch)

    def concatenate(self, later: RecordedStates) -> RecordedStates:
        """Return these steps followed by those of later epochs, with the subject of the latter."""
        steps = {
            name: np.concatenate((array, later.steps[name])) for name, array in self.steps.items()
        }
        return RecordedStates(later.subject, steps)


def save_states(states: RecordedStates, path: Path) -> None:
    """Write states to an ``.npz`` file atomically."""
    subject = states.subject
    metadata = {
        "agent": np.array(subject.agent),
        "model": np.array(subject.model),
        "picture": np.array(subject.picture, dtype=np.int64),
        "channels": np.array(subject.channels, dtype=str),
        "action_names": np.array(subject.action_names, dtype=str),
        "action_dims": np.array(subject.action_dims, dtype=np.int64),
        "background": np.array(subject.background),
        "is_centred": np.array(subject.is_centred),
        "reward_scaling": np.array(subject.reward_scaling),
    }
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **metadata, **states.steps)


def load_states(path: Path | str) -> RecordedStates:
    """Read states from a file written by `save_states`.

    Raises:
        ConfigError: The file cannot be read, is damaged, or has another format.
    """
    path = Path(path)
    try:
        # Opened here because numpy does not close a damaged file.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            subject = Subject(
                agent=str(file["agent"]),
                model=str(file["model"]),
                picture=_numbers(file["picture"]),
                channels=_names(file["channels"]),
                action_names=_names(file["action_names"]),
                action_dims=_numbers(file["action_dims"]),
                **_later_fields(file),
            )
            names = [*PER_STEP, *([CELL_STATES] if CELL_STATES in file else [])]
            steps = {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is damaged or contains no recorded states: {error}") from error
    if len({len(array) for array in steps.values()}) != 1:
        raise ConfigError(f"{path} is damaged: its arrays differ in length")
    return RecordedStates(subject, steps)


def _later_fields(file: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the fields that files of version 0.1.0 do not have."""
    types = {"background": str, "is_centred": bool, "reward_scaling": bool}
    return {name: convert(file[name]) for name, convert in types.items() if name in file}


def _numbers(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(n) for n in array)


def _names(array: np.ndarray) -> tuple[str, ...]:
    return tuple(str(name) for name in array)
