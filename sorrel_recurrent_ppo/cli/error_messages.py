"""One-line messages for user-fixable errors, with the closest valid name."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from hydra.errors import (
    CompactHydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from sorrel_recurrent_ppo.errors import (
    CheckpointError,
    ConfigError,
    NumericalError,
    did_you_mean,
    missing_from_sorrel,
    unknown_name,
)
from sorrel_recurrent_ppo.experiments.run_config import misplaced_section

__all__ = ["user_message"]

# Errors of disks, permissions and limits, which bugs of the program do not cause.
_SYSTEM_ERRORS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE),
        *(errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    }
)
_INVALID_NAME = 123  # Windows' number of the error for a name with a character such as ":"


def user_message(error: BaseException) -> str | None:
    """Return the message for an error that a user can fix, or ``None`` for other errors."""
    if isinstance(error, ConfigError | CheckpointError | NumericalError):
        return str(error)
    if isinstance(error, ImportError):
        return missing_from_sorrel(error)
    if isinstance(error, MissingConfigException):  # also an OSError
        return _missing_choice(error)
    if isinstance(error, OSError):
        return _system_error(error)
    if isinstance(error, ValueError) and isinstance(error.__cause__, OSError):
        return _system_error(error.__cause__)  # from the configuration of Python's logging
    if isinstance(error, YAMLError):
        return f"a config file is not valid YAML: {' '.join(str(error).split())}"
    if isinstance(error, OverrideParseException):
        return (
            f"the argument {error.override!r} cannot be read. Put arguments with brackets, spaces "
            "or quotes into quotes of the shell, such as 'model.type=[lstm_ppo,iqn]', without "
            "spaces outside of lists"
        )
    cause = error.__cause__
    if isinstance(error, CompactHydraException):
        if isinstance(cause, ConfigKeyError | ConfigAttributeError):
            return _misplaced_section(cause) or _unknown_key(cause)
        message = _without_details(error)
        if isinstance(cause, OmegaConfBaseException):
            message = f"{message}: {_without_details(cause)}"
        return message
    if isinstance(error, OmegaConfBaseException):
        return _misplaced_section(error) or _without_details(error)
    return None


def _without_details(error: BaseException) -> str:
    """Return a message without the technical lines that Hydra and OmegaConf append."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    end = next((i for i, line in enumerate(lines) if line.startswith("full_key:")), len(lines))
    return " ".join(lines[:end])


def _system_error(error: OSError) -> str | None:
    is_invalid_name = getattr(error, "winerror", None) == _INVALID_NAME
    if error.errno not in _SYSTEM_ERRORS and not is_invalid_name:
        return None
    file = "a file" if error.filename is None else error.filename
    return f"{file} could not be used: {error.strerror}"


def _missing_choice(error: MissingConfigException) -> str:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = [option for option in error.options or () if option != "base"]
    if not group or not options:
        return _without_details(error)
    message = unknown_name(f"there is no {group}", choice, options)
    if group == "environment":
        message += (
            ". --config-dir=DIR adds DIR/environment/NAME.yaml as environment=NAME; "
            "environment=custom runs a class of your own"
        )
    return message


def _misplaced_section(error: OmegaConfBaseException) -> str | None:
    """Return the message for a config file that Hydra has put under its group, which it causes."""
    if error.parent_node is None:
        return None
    root = error.parent_node._get_root()
    return misplaced_section(root) if isinstance(root, DictConfig) else None


def _unknown_key(error: ConfigKeyError | ConfigAttributeError) -> str:
    """Suggest the closest key of the same section, else the same key in another section."""
    full_key, parent = str(error.full_key), error.parent_node
    if full_key == "replacement":
        return (
            "without a schedule there are no settings of replacement; choose one first, such as "
            "replacement=turnover or replacement=cohort"
        )
    section, _, key = full_key.rpartition(".")
    siblings = [str(k) for k in parent] if isinstance(parent, DictConfig) else []
    suggestion = did_you_mean(key, siblings)
    if suggestion and section:
        suggestion = suggestion.replace("'", f"'{section}.", 1)
    if not suggestion and isinstance(parent, DictConfig):
        elsewhere = [k for k in _all_keys(parent._get_root()) if k.rpartition(".")[2] == key]
        suggestion = f" Did you mean '{elsewhere[0]}'?" if elsewhere else ""
    return (
        f"the config has no key '{full_key}'.{suggestion} To add a new key, write +{full_key}=..."
    )


def _all_keys(config: Any, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key}"
        if name == "hydra":
            continue
        yield name
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation():
            yield from _all_keys(value, f"{name}.")
