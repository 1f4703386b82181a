"""The system's limit on open files."""

from __future__ import annotations

import sys

from sorrel_recurrent_ppo.errors import ConfigError

__all__ = ["allow_open_files"]

_OTHERS = 100  # of the run, its libraries and the system


def allow_open_files(n_files: int, purpose: str) -> None:
    """Raise the process's own limit on open files if the system allows it.

    Args:
        n_files: Files that may be open at the same time, besides those of any run.
        purpose: What opens them, for the error message.

    Raises:
        ConfigError: The system allows fewer.
    """
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    needed = n_files + _OTHERS
    own, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    if own == resource.RLIM_INFINITY or own >= needed:
        return
    if highest != resource.RLIM_INFINITY and highest < needed:
        raise ConfigError(
            f"{purpose} needs up to {needed} open files, but this process may open {highest} "
            "(ulimit -n): raise the limit"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, highest))
