"""The resolved and checked config of a run."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.logging.period_average import default_log_period
from sorrel_recurrent_ppo.support.checks import check_flag, check_integer, check_number
from sorrel_recurrent_ppo.support.randomness import MAX_SEED, fresh_seed

__all__ = ["checkpoint_period", "misplaced_section", "resolve_config"]

_MINIMUMS = {
    "experiment.epochs": 0,
    "experiment.max_turns": 1,
    "experiment.record_period": 1,
}

_SECTIONS = ("experiment", "world", "agent", "model", "replacement", "environment")


def resolve_config(config: DictConfig, *, is_resumed: bool = False) -> DictConfig:
    """Return the config with interpolations resolved, values checked and missing ones chosen.

    The seed is drawn, and ``log_period`` chosen by the number of epochs.

    Args:
        config: The composed or saved config.
        is_resumed: Whether it is that of a run that is resumed; runs of version 0.1.0 have no
            ``log_period``, and a row per epoch.

    Raises:
        ConfigError: A mandatory key is not set, or a value is invalid.
    """
    missing = OmegaConf.missing_keys(config)
    if missing:
        keys = ", ".join(sorted(missing))
        raise ConfigError(f"the config needs a value for {keys}; set it with {keys}=...")
    resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    assert isinstance(resolved, DictConfig)
    if (misplaced := misplaced_section(resolved)) is not None:
        raise ConfigError(misplaced)
    resolved.pop("resume", None)  # belongs to the command, not to the run
    if resolved.seed is None:
        resolved.seed = fresh_seed()
    check_integer("seed", resolved.seed, 0, MAX_SEED)
    for key, minimum in _MINIMUMS.items():
        check_integer(key, OmegaConf.select(resolved, key), minimum)
    for key in ("accelerate", "quiet", "log_turns", "record_states"):
        check_flag(key, OmegaConf.select(resolved, key, default=False))
    for key in ("threads", "checkpoint_period"):
        if resolved.get(key) is not None:
            check_integer(key, resolved[key], 1)
    if OmegaConf.select(resolved, "checkpoint_keep.every") is not None:
        check_integer("checkpoint_keep.every", resolved.checkpoint_keep.every, 1)
        max_gb = OmegaConf.select(resolved, "checkpoint_keep.max_gb")
        check_number("checkpoint_keep.max_gb", max_gb, above=0)
    if resolved.get("log_period") is None:
        is_old = is_resumed and "log_period" not in resolved
        resolved.log_period = 1 if is_old else default_log_period(resolved.experiment.epochs)
    check_integer("log_period", resolved.log_period, 1)
    if resolved.get("record_states"):
        check_integer("record_states_limit", resolved.get("record_states_limit"), 1)
    return resolved


def misplaced_section(config: DictConfig) -> str | None:
    """Return an error message if Hydra has put an environment's config file under its group."""
    for section in _SECTIONS:
        key = f"environment.{section}"
        if isinstance(OmegaConf.select(config, key, throw_on_missing=False), DictConfig):
            return (
                f"the config has {key} instead of {section}: the first line of the environment's "
                "config file must be '# @package _global_'"
            )
    return None


def checkpoint_period(config: DictConfig) -> int:
    """Return the number of epochs between checkpoints; the default is the record period."""
    period = config.get("checkpoint_period")
    return config.experiment.record_period if period is None else period
