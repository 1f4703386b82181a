"""Installing the swap in a process that uses Sorrel, and leaving any other alone.

Neither Sorrel nor PyTorch is imported here: where Sorrel's environments are not imported yet, a
finder on ``sys.meta_path`` waits until they are.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from sorrel_recurrent_ppo.errors import ConfigError

__all__ = ["SWITCH", "install_with_sorrel"]

SWITCH = "SORREL_RECURRENT_PPO"
_AWAITED = "sorrel.environment"


def install_with_sorrel() -> None:
    """Install the swap as soon as ``sorrel.environment`` is there; idempotent.

    The environment variable ``SORREL_RECURRENT_PPO=off`` makes it do nothing. Never raises.
    """
    if os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "false", "no"):
        return
    if _AWAITED in sys.modules:
        _install()
    elif not any(isinstance(finder, _SorrelAwaiter) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SorrelAwaiter())


def _install() -> None:
    try:
        from sorrel_recurrent_ppo.integration.install import install

        install()
    except ConfigError as error:
        logging.getLogger(__name__).error("%s; %s=off silences this", error, SWITCH)
    except Exception:  # an application that does not ask for us must not stop because of us
        logging.getLogger(__name__).exception(
            "sorrel_recurrent_ppo could not be installed into Sorrel; %s=off silences this", SWITCH
        )


class _SorrelAwaiter(MetaPathFinder):
    """Finds the awaited module as the other finders do, and installs when it has been run."""

    def __init__(self) -> None:
        self._searching = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the awaited module's own spec, with a loader that installs; else ``None``."""
        if fullname != _AWAITED or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _InstallingLoader(spec.loader, self)
        return spec


class _InstallingLoader(Loader):
    """Loads a module by its own loader, gives that back to it, and installs."""

    def __init__(self, loader: Loader, awaiter: _SorrelAwaiter) -> None:
        self._loader = loader
        self._awaiter = awaiter

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then install."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        if self._awaiter in sys.meta_path:
            sys.meta_path.remove(self._awaiter)
        _install()
