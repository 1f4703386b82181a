"""What agents saw, did and kept in mind, step by step, and the file that holds it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["CELL_STATES", "PER_STEP", "RecordedStates", "Subject", "load_states", "save_states"]

CELL_STATES = "cell_states"  # of an LSTM only

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
    """Whose states were recorded, and how to read its observations and actions.

    Attributes:
        agent: Its lasting name.
        model: Its model's registry name.
        picture: ``(channels, height, width)`` of the picture with which its observations begin,
            or ``()`` when they have none.
        channels: What each channel of a one-hot picture shows; empty for other pictures.
        action_names: What the environment calls its actions; may be empty.
        action_dims: Sizes of the action's branches.
    """

    agent: str
    model: str
    picture: tuple[int, ...]
    channels: tuple[str, ...]
    action_names: tuple[str, ...]
    action_dims: tuple[int, ...]


@dataclass(frozen=True)
class RecordedStates:
    """Recorded epochs of one agent, ``N`` steps in their order.

    Attributes:
        subject: Whose they are.
        steps: The arrays of `PER_STEP`, each with ``N`` rows, and `CELL_STATES` for an LSTM.
    """

    subject: Subject
    steps: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.steps["epochs"])

    @property
    def epochs(self) -> list[int]:
        """The recorded epochs' numbers, in order."""
        return np.unique(self.steps["epochs"]).tolist()

    @property
    def n_bytes(self) -> int:
        """Memory that the steps take."""
        return sum(array.nbytes for array in self.steps.values())

    def where(self, chosen: np.ndarray) -> RecordedStates:
        """Return the steps that an index or a truth value for each chooses."""
        steps = {name: array[chosen] for name, array in self.steps.items()}
        return RecordedStates(self.subject, steps)

    def of_epoch(self, epoch: int) -> RecordedStates:
        """Return the steps of one epoch."""
        return self.where(self.steps["epochs"] == epoch)

    def followed_by(self, later: RecordedStates) -> RecordedStates:
        """Return these steps with those of later epochs behind them, and with their subject."""
        steps = {
            name: np.concatenate((array, later.steps[name])) for name, array in self.steps.items()
        }
        return RecordedStates(later.subject, steps)


def save_states(states: RecordedStates, path: Path) -> None:
    """Write states to an ``.npz`` file, whole or not at all."""
    subject = states.subject
    facts = {
        "agent": np.array(subject.agent),
        "model": np.array(subject.model),
        "picture": np.array(subject.picture, dtype=np.int64),
        "channels": np.array(subject.channels, dtype=str),
        "action_names": np.array(subject.action_names, dtype=str),
        "action_dims": np.array(subject.action_dims, dtype=np.int64),
    }
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **facts, **states.steps)


def load_states(path: Path) -> RecordedStates:
    """Read states from a file that `save_states` wrote.

    Raises:
        ConfigError: The file is damaged or of another kind.
    """
    try:
        # Opened here, since numpy leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            subject = Subject(
                agent=str(file["agent"]),
                model=str(file["model"]),
                picture=_numbers(file["picture"]),
                channels=_names(file["channels"]),
                action_names=_names(file["action_names"]),
                action_dims=_numbers(file["action_dims"]),
            )
            names = [*PER_STEP, *([CELL_STATES] if CELL_STATES in file else [])]
            steps = {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is damaged, or holds no recorded states: {error}") from error
    if len({len(array) for array in steps.values()}) != 1:
        raise ConfigError(f"{path} is damaged: its arrays differ in length")
    return RecordedStates(subject, steps)


def _numbers(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(n) for n in array)


def _names(array: np.ndarray) -> tuple[str, ...]:
    return tuple(str(name) for name in array)
