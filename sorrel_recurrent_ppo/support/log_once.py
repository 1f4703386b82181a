"""Log messages that appear once, however many environments are built from one config."""

from __future__ import annotations

import logging

__all__ = ["forget_logged", "log_once"]

_logged: set[tuple[str, str]] = set()


def log_once(logger: logging.Logger, level: int, message: str) -> None:
    """Log a message unless this logger has logged the same before."""
    if (logger.name, message) not in _logged:
        _logged.add((logger.name, message))
        logger.log(level, "%s", message)


def forget_logged() -> None:
    """Let messages appear again."""
    _logged.clear()
