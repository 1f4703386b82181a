"""Warnings for misspelt keys, which would otherwise be left to the environment without a word.

Environments have keys of their own, so a key counts as misspelt only if its value shows what it is
meant for: the name of a model, or a section.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from sorrel_recurrent_ppo.errors import did_you_mean
from sorrel_recurrent_ppo.support.log_once import log_once

__all__ = ["warn_of_near_misses"]

_log = logging.getLogger(__name__)

_SECTIONS = ("agent", "model", "replacement")
_CUTOFF = 0.7  # difflib's ratio: "typ" and "type" have 0.86, "types" and "type" 0.89


def warn_of_near_misses(config: DictConfig, models: Collection[str]) -> None:
    """Warn, once, of keys that are close to those of this package and have values for them.

    Args:
        config: The config of an environment.
        models: The names of the available models.
    """
    for path, valid in _near_misses(config, models):
        key = path.rpartition(".")[2]
        hint = did_you_mean(key, valid)
        log_once(_log, logging.WARNING, f"{path} is not a key of sorrel_recurrent_ppo.{hint}")


def _near_misses(
    config: DictConfig, models: Collection[str]
) -> Iterator[tuple[str, Collection[str]]]:
    """Yield the path of each misspelt key, with the keys that are valid in its place."""
    for key, value in _items(config):
        valid = [name for name in _SECTIONS if _is_meant_for(value, name, models)]
        if key not in _SECTIONS and _is_close(key, valid):
            yield key, valid
    for key, value in _items(config.get("model")):
        if isinstance(value, DictConfig) and key not in models and _is_close(key, models, 0.6):
            yield f"model.{key}", models
        elif _names_model(value, models) and _is_close(key, ["type", "model_type"]):
            yield f"model.{key}", ["type", "model_type"]
    for kind, section in _items(config.get("agent")):
        for key, value in _items(section):
            if _names_model(value, models) and _is_close(key, ["model"]):
                yield f"agent.{kind}.{key}", ["model"]
            elif isinstance(value, DictConfig) and _is_close(key, models):
                yield f"agent.{kind}.{key}", models


def _is_meant_for(value: Any, section: str, models: Collection[str]) -> bool:
    """Return whether the value of a key could be that of a section."""
    if section == "replacement":
        return isinstance(value, DictConfig | str)
    if section == "agent":
        return any(
            _names_model(dict(_items(kind)).get("model"), models) for _, kind in _items(value)
        )
    keys = dict(_items(value))
    named = (value, keys.get("type"), keys.get("model_type"))
    return any(_names_model(name, models) for name in named) or bool(keys.keys() & set(models))


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of a section; nothing for other values."""
    if not isinstance(section, DictConfig):
        return
    for key in section:
        if not OmegaConf.is_missing(section, key) and not OmegaConf.is_interpolation(
            section, str(key)
        ):
            yield str(key), section[key]


def _names_model(value: Any, models: Collection[str]) -> bool:
    names = [*value] if isinstance(value, ListConfig) else [value]
    return bool(names) and all(isinstance(name, str) and name in models for name in names)


def _is_close(key: str, valid: Collection[str], cutoff: float = _CUTOFF) -> bool:
    return key not in valid and bool(difflib.get_close_matches(key, valid, n=1, cutoff=cutoff))
