"""The package's exceptions, and the message for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "JobFailed",
    "NumericalError",
    "did_you_mean",
    "missing_from_sorrel",
    "unknown_name",
]

_MOST_LISTED = 40


class ConfigError(ValueError):
    """A setting or configuration key is unknown, ill-typed, out of range or missing."""


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, unsafe, or belongs to another model."""


class JobFailed(SystemExit):
    """A job of the program ``run`` ends with an error that its cause describes.

    Hydra passes it on without lines of its own, since it is no ``Exception``.
    """


class NumericalError(FloatingPointError):
    """The model computed a non-finite number; the model is rolled back.

    Attributes:
        agent_name: The agent that owns the model; empty if it has no name.
    """

    def __init__(self, message: str, agent_name: str = "") -> None:
        super().__init__(message)
        self.agent_name = agent_name


def unknown_name(what: str, given: object, valid: Iterable[object]) -> str:
    """Return the message for a name that does not exist.

    Args:
        what: What is missing, such as ``"there is no model named"``.
        given: The name that was given.
        valid: The names that exist.

    Returns:
        Such as ``"there is no model named 'lstm'. Did you mean 'lstm_ppo'? Valid: dqn,
        gru_ppo, iqn, lstm_ppo"``. With more than 40 valid names, they are not listed.
    """
    names = [str(name) for name in valid]
    listed = f" Valid: {', '.join(names) or 'none'}" if len(names) <= _MOST_LISTED else ""
    return f"{what} {given!r}.{did_you_mean(given, names)}{listed}"


def did_you_mean(given: object, valid: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the valid name closest to ``given``, else ``""``."""
    by_lower = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(str(given).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[close[0]]}'?" if close else ""


def missing_from_sorrel(error: ImportError) -> str | None:
    """Return a sentence for an import of something that an older Sorrel lacks, else ``None``."""
    if str(error.name).partition(".")[0] != "sorrel":
        return None
    return (
        "sorrel_recurrent_ppo needs Sorrel 1.6 or newer, below 2; the one that is imported lacks "
        f"something: {error}"
    )
