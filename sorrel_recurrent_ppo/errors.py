"""The package's own exceptions, and the one wording of "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["CheckpointError", "ConfigError", "NumericalError", "did_you_mean"]


class ConfigError(ValueError):
    """A setting or configuration key is unknown, ill-typed, out of range or missing."""


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, unsafe, or belongs to another model."""


class NumericalError(FloatingPointError):
    """A number that the model computed is not finite; the model is as it was before.

    Attributes:
        agent_name: The agent whose model it is; empty if it has no name.
    """

    def __init__(self, message: str, agent_name: str = "") -> None:
        super().__init__(message)
        self.agent_name = agent_name


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Suggest the valid name nearest to ``name``.

    Args:
        name: What was given.
        valid: What would have been accepted.

    Returns:
        ``" Did you mean 'x'?"`` with a leading space, or ``""`` when nothing is near.
    """
    near = difflib.get_close_matches(str(name), [str(v) for v in valid], n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
