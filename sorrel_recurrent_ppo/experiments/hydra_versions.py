"""The differences between Hydra 1.3 and newer versions."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import hydra
import hydra.utils

__all__ = ["main_arguments", "unrestricted_instantiation"]

# The classes that the logging configuration may name, from Hydra 1.4 on.
_LOGGING_CLASSES = (
    "sorrel_recurrent_ppo.experiments.logging.console_log.StdoutHandler",
    "logging.*",
)


def main_arguments() -> dict[str, Any]:
    """Return the arguments of ``hydra.main`` that depend on Hydra's version.

    From 1.4 on, ``version_base`` is deprecated, and logging needs a list of the classes that its
    configuration may name.
    """
    if _has_whitelist():
        return {"execution_whitelist": _LOGGING_CLASSES}
    return {"version_base": "1.3"}


def unrestricted_instantiation() -> AbstractContextManager[Any]:
    """Return a context in which a study's own code instantiates classes as Hydra does by default.

    The list of `main_arguments` is meant for logging only.
    """
    if _has_whitelist():
        return hydra.utils.execution_whitelist(None, reset=True)  # pyright: ignore[reportAttributeAccessIssue]
    return nullcontext()


def _has_whitelist() -> bool:
    return hasattr(hydra.utils, "execution_whitelist")
