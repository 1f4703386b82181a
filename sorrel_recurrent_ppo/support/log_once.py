"""Log messages that appear once, or also where the program has not configured logging."""

from __future__ import annotations

import logging

__all__ = ["announce", "forget_logged", "log_once"]

_logged: set[tuple[str, str]] = set()


def log_once(logger: logging.Logger, level: int, message: str) -> None:
    """Log a message unless this logger has logged the same before."""
    if (logger.name, message) not in _logged:
        _logged.add((logger.name, message))
        logger.log(level, "%s", message)


def announce(logger: logging.Logger, message: str) -> None:
    """Log a message for information; print it, once, where logging is not configured.

    Python's logging shows only warnings then, and a script would say nothing of what was done.
    """
    logger.info("%s", message)
    is_unheard = not logger.hasHandlers() and logger.isEnabledFor(logging.WARNING)
    if is_unheard and ("", message) not in _logged:
        _logged.add(("", message))
        print(f"sorrel_recurrent_ppo: {message}")


def forget_logged() -> None:
    """Let messages appear again."""
    _logged.clear()
