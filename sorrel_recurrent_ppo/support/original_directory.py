"""The directory in which a process was started."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig

__all__ = ["from_original_directory", "original_directory"]


def original_directory() -> Path:
    """Return the working directory, or the one before Hydra changed it (``hydra.job.chdir``)."""
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        if hydra.job.chdir:
            return Path(hydra.runtime.cwd)
    return Path.cwd()


def from_original_directory(path: str | Path) -> Path:
    """Return a path, which is relative to `original_directory` if it is not absolute.

    It is unchanged, relative or not, where Hydra has not changed the directory.
    """
    original = original_directory()
    return Path(path) if original == Path.cwd() else original / path
