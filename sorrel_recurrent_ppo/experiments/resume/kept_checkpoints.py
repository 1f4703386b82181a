"""Copies of the agents' checkpoints by epoch, within a limit on disk space."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["KeptCheckpoints"]

log = logging.getLogger(__name__)

_GB = 10**9


class KeptCheckpoints:
    """Keeps a copy of the agents' checkpoints every so many epochs, as ``checkpoint_keep`` asks.

    Args:
        files: The run's files; the copies go to ``checkpoints/<name>@<epoch>.pt``.
        config: The run's resolved config; those of older versions have no ``checkpoint_keep``.
    """

    def __init__(self, files: RunFiles, config: DictConfig) -> None:
        self._files = files
        self._every = OmegaConf.select(config, "checkpoint_keep.every")
        self._max_gb = OmegaConf.select(config, "checkpoint_keep.max_gb")
        self._has_warned = False
        if self._every is not None:
            log.info(
                "The checkpoints of every %d epochs are kept, in at most %g GB "
                "(checkpoint_keep.max_gb).",
                *(self._every, self._max_gb),
            )

    def is_due(self, epoch: int) -> bool:
        """Return whether the checkpoints of this epoch are kept."""
        return self._every is not None and epoch % self._every == 0

    def keep(self, agent_names: Sequence[str], epoch: int) -> None:
        """Copy the agents' checkpoints, after removing the oldest copies that exceed the limit.

        Args:
            agent_names: The agents, whose checkpoints are those of this epoch.
            epoch: The epoch.

        Raises:
            CheckpointError: A file could not be copied or removed.
        """
        copies = {
            self._files.checkpoint(name): self._files.kept_checkpoint(name, epoch)
            for name in agent_names
        }
        try:
            if self._make_room(_size(copies), epoch):
                for source, copy in copies.items():
                    with atomic_write(copy) as partial:
                        shutil.copyfile(source, partial)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoints of epoch {epoch} could not be kept: {error}"
            ) from error

    def _make_room(self, n_bytes: int, epoch: int) -> bool:
        """Remove the oldest epochs to satisfy the limit; return whether that is possible."""
        limit = self._max_gb * _GB
        if n_bytes > limit:
            self._warn(
                f"The checkpoints of epoch {epoch} are not kept: they have {n_bytes / _GB:.2g} GB"
            )
            return False
        # A resumed run repeats epochs, and replaces the copies of this one.
        kept = {e: paths for e, paths in self._files.kept_checkpoints().items() if e != epoch}
        sizes = {e: _size(paths) for e, paths in kept.items()}
        for oldest in sorted(kept):
            if sum(sizes.values()) + n_bytes <= limit:
                break
            self._warn(f"The kept checkpoints of epoch {oldest} are removed, and later the next")
            for path in kept[oldest]:
                path.unlink()
            del sizes[oldest]
            log.debug("Removed the kept checkpoints of epoch %d.", oldest)
        return True

    def _warn(self, message: str) -> None:
        """Warn once that the limit has an effect."""
        if not self._has_warned:
            self._has_warned = True
            log.warning("%s, with the limit checkpoint_keep.max_gb=%g.", message, self._max_gb)


def _size(paths: Sequence[Path] | dict[Path, Path]) -> int:
    return sum(path.stat().st_size for path in paths)
