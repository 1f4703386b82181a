"""What a user sets on the command line wins over what a packaged schedule left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

__all__ = ["settled_section"]

_GROUP = "replacement"
# Setting one of the keys on the left makes the packaged values on the right meaningless.
_SUPERSEDED = {
    "mode": ("count", "probability", "agent_ids"),
    "epochs": ("start_epoch", "end_epoch", "every"),
    "start_epoch": ("epochs",),
    "end_epoch": ("epochs",),
    "every": ("epochs",),
}


def settled_section(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the packaged values that the command line makes meaningless.

    With ``replacement=cohort replacement.mode=specified_ids`` the ``count`` of the packaged
    schedule does not fit the mode any more, and would otherwise be an error of the user.

    Args:
        section: The section ``replacement`` of a config; unchanged outside of a Hydra application.
    """
    given = _keys_on_the_command_line()
    superseded = {key for name in given for key in _SUPERSEDED.get(name, ())} - given
    return {key: None if key in superseded else value for key, value in section.items()}


def _keys_on_the_command_line() -> set[str]:
    """Return the keys of the section that overrides set, if a packaged schedule was chosen."""
    if not HydraConfig.initialized():
        return set()
    config = HydraConfig.get()
    if config.runtime.choices.get(_GROUP) in (None, "own", "none"):
        return set()
    overrides = OverridesParser.create().parse_overrides(list(config.overrides.task))
    keys = [str(override.key_or_group) for override in overrides]
    return {key.removeprefix(f"{_GROUP}.") for key in keys if key.startswith(f"{_GROUP}.")}
