"""What `accelerate` replaces in Sorrel, and by what.

Names that Sorrel's functions look up in their modules are replaced rather than methods: methods
remain Sorrel's own, so that overridden ones, and wrappers around them, are called as before.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sorrel_recurrent_ppo.acceleration.cells import enumerate_cells
from sorrel_recurrent_ppo.acceleration.entity_copies import CopyModule
from sorrel_recurrent_ppo.acceleration.one_hot import one_hot_builder
from sorrel_recurrent_ppo.acceleration.pollution import measure_pollution
from sorrel_recurrent_ppo.acceleration.sprite_paths import PathFactory
from sorrel_recurrent_ppo.acceleration.vectors import vector_computer

__all__ = ["REPLACEMENTS", "Replacement", "source_digest"]


@dataclass(frozen=True)
class Replacement:
    """One name in a module or class of Sorrel, and its faster equivalent.

    Attributes:
        owner: The module, or ``module:class``.
        name: The name in it.
        make: Returns the equivalent, given what Sorrel has under the name.
        known: What the equivalent was written for: the object itself where it is not Sorrel's,
            else the digest of the function's source.
    """

    owner: str
    name: str
    make: Callable[[Any], Any]
    known: Any

    def find_owner(self) -> Any:
        """Import and return the module or class.

        Raises:
            ImportError: There is no such module.
            AttributeError: The module has no such class.
        """
        module_name, _, class_name = self.owner.partition(":")
        module = importlib.import_module(module_name)
        return getattr(module, class_name) if class_name else module

    def is_known(self, original: Any) -> bool:
        """Return whether what Sorrel has under the name is what the equivalent was written for."""
        return original is self.known or source_digest(original) == self.known


def source_digest(function: Any) -> str | None:
    """Return a digest of a function's source, or ``None`` for what is not a function.

    The source of a wrapper is its own, not that of the wrapped function.
    """
    if not inspect.isfunction(function):
        return None
    try:
        source = inspect.getsource(function.__code__)
    except OSError:
        return None
    return hashlib.sha256(inspect.cleandoc(source).encode()).hexdigest()[:16]


# Modules of classes that are constructed during a run.
_WITH_SPRITES = (
    "sorrel.entities.basic_entities",
    "sorrel.examples.cleanup.agents",
    "sorrel.examples.cleanup.entities",
    "sorrel.examples.iowa.entities",
    "sorrel.examples.treasurehunt.entities",
)

REPLACEMENTS = (
    Replacement("sorrel.worlds.gridworld", "copy", lambda original: CopyModule(), copy),
    Replacement(
        "sorrel.environment", "ndenumerate", lambda original: enumerate_cells, np.ndenumerate
    ),
    Replacement(
        "sorrel.observation.visual_field", "_build_one_hot", one_hot_builder, "2b788824dee28056"
    ),
    Replacement(
        "sorrel.examples.cleanup.world:CleanupWorld",
        "measure_pollution",
        lambda original: measure_pollution,
        "11b052b4fa990137",
    ),
    Replacement("sorrel.location:Vector", "compute", vector_computer, "e408bab20e9c3b9c"),
    *(
        Replacement(module, "Path", lambda original: PathFactory(), Path)
        for module in _WITH_SPRITES
    ),
)
