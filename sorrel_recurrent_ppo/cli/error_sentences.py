"""What the program says of an error that its user can mend: one sentence, with the nearest name."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from hydra.errors import CompactHydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sorrel_recurrent_ppo.errors import (
    CheckpointError,
    ConfigError,
    NumericalError,
    did_you_mean,
    unknown_name,
)

__all__ = ["error_sentence"]

# What the system says of a disk or a permission; no fault of the program looks like that.
_OF_THE_SYSTEM = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    }
)


def error_sentence(error: BaseException) -> str | None:
    """Return what to say of an error, or ``None`` for one that no user's input explains."""
    if isinstance(error, ConfigError | CheckpointError | NumericalError):
        return str(error)
    if isinstance(error, MissingConfigException):  # an OSError, too
        return _missing_choice(error)
    if isinstance(error, OSError):
        return _fault_of_the_system(error)
    cause = error.__cause__
    if isinstance(error, CompactHydraException):
        if isinstance(cause, ConfigKeyError | ConfigAttributeError):
            return _unknown_key(cause)
        told = _first_line(error)
        return (
            f"{told}: {_first_line(cause)}" if isinstance(cause, OmegaConfBaseException) else told
        )
    return _first_line(error) if isinstance(error, OmegaConfBaseException) else None


def _first_line(error: BaseException) -> str:
    """Return a message without the technical lines that Hydra and OmegaConf append to it."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    end = next((i for i, line in enumerate(lines) if line.startswith("full_key:")), len(lines))
    return " ".join(lines[:end])


def _fault_of_the_system(error: OSError) -> str | None:
    if error.errno not in _OF_THE_SYSTEM:
        return None
    file = "a file" if error.filename is None else error.filename
    return f"{file} could not be used: {error.strerror}"


def _missing_choice(error: MissingConfigException) -> str:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = [option for option in error.options or () if option != "base"]
    if not group or not options:
        return _first_line(error)
    return unknown_name(f"there is no {group}", choice, options)


def _unknown_key(error: ConfigKeyError | ConfigAttributeError) -> str:
    """Tell the unknown key and the nearest of those beside it, or of its name elsewhere."""
    full_key, parent = str(error.full_key), error.parent_node
    section, _, key = full_key.rpartition(".")
    beside = (
        [f"{section}.{k}".lstrip(".") for k in parent] if isinstance(parent, DictConfig) else []
    )
    suggestion = did_you_mean(key, [k.rpartition(".")[2] for k in beside])
    if suggestion and section:
        suggestion = suggestion.replace("'", f"'{section}.", 1)
    if not suggestion and isinstance(parent, DictConfig):
        elsewhere = [k for k in _all_keys(parent._get_root()) if k.rpartition(".")[2] == key]
        suggestion = f" Did you mean '{elsewhere[0]}'?" if elsewhere else ""
    return (
        f"the config has no key '{full_key}'.{suggestion} "
        f"To add a key that is not there, write +{full_key}=..."
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
