"""Refusing a Sorrel that is too old, with a sentence.

Research code often brings a Sorrel of its own on the module search path, which hides the installed
one. The version in the installed package's metadata then says nothing of the Sorrel that is
imported, so features of the imported one are checked.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sorrel
from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.errors import ConfigError

__all__ = ["NEEDED", "check_sorrel"]

NEEDED = "1.6"

# What Sorrel 1.6 has, older versions lack, and the package calls.
_FEATURES = ((Environment, "aggregate_epoch_stats"), (Logger, "record_epoch"))


def check_sorrel() -> None:
    """Raise ConfigError if the Sorrel that is imported is older than version 1.6."""
    missing = [f"{cls.__name__}.{name}" for cls, name in _FEATURES if not hasattr(cls, name)]
    if not missing:
        return
    folder = Path(sorrel.__path__[0])
    raise ConfigError(
        f"sorrel_recurrent_ppo needs Sorrel {NEEDED} or newer, below 2: the Sorrel in {folder} is "
        f"older, since it has no {missing[0]}{_installed_version()}"
    )


def _installed_version() -> str:
    try:
        return f" (the installed package has version {version('sorrel')})"
    except PackageNotFoundError:
        return ""
