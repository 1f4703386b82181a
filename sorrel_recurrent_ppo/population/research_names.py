"""Names that Sorrel's research branches use for what this package calls otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.support.log_once import log_once

__all__ = ["research_hint", "warn_of_research_keys"]

_log = logging.getLogger(__name__)

MODELS = {"ppo": "gru_ppo", "ppo_gru": "gru_ppo", "ppo_lstm": "lstm_ppo"}

# In a model's section, model.<name>.
_MODEL_KEYS = {
    "ppo_rollout_length": "rollout_length (null: an update after every epoch, as there)",
    "ppo_k_epochs": "n_epochs",
    "ppo_clip_param": "clip_range",
    "ppo_gamma": "gamma",
    "ppo_lr": "learning_rate",
    "ppo_learning_rate": "learning_rate",
    "ppo_gae_lambda": "gae_lambda",
    "ppo_entropy_start": "entropy_start",
    "ppo_entropy_end": "entropy_end",
    "ppo_entropy_decay_steps": "entropy_decay_steps",
    "ppo_max_grad_norm": "max_grad_norm",
    "ppo_batch_size": "batch_size",
    "initial_model_path": "checkpoint",
}
KEYS = {
    **{old: f"model.<name>.{new}" for old, new in _MODEL_KEYS.items()},
    "enable_agent_replacement": "a section replacement",
    "agents_to_replace_per_epoch": "replacement.count",
    "replacement_selection_mode": "replacement.mode",
    "replacement_start_epoch": "replacement.start_epoch",
    "replacement_end_epoch": "replacement.end_epoch",
    "replacement_agent_ids": "replacement.agent_ids",
    "replacement_probability": "replacement.probability",
    "replacement_minimum_tenure_epochs": "replacement.minimum_tenure",
    "replacement_min_epochs_between": "replacement.every",
    "new_agent_model_path": "replacement.checkpoint",
}


def research_hint(model_name: str) -> str:
    """Return what a research branch's model is called here, as the end of a sentence, or ``""``."""
    ours = MODELS.get(model_name.lower())
    return "" if ours is None else f" (this package's name for it is '{ours}')"


def warn_of_research_keys(config: DictConfig) -> None:
    """Warn, once, of keys that this package does not read, and name the ones that it reads."""
    for path, key in _keys(config):
        if key in KEYS:
            log_once(
                _log,
                logging.WARNING,
                f"{path} is not a key of sorrel_recurrent_ppo, which reads {KEYS[key]} instead",
            )


def _keys(config: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key in config:
        yield f"{prefix}{key}", str(key)
        if OmegaConf.is_missing(config, key) or OmegaConf.is_interpolation(config, str(key)):
            continue
        value = config[key]
        if isinstance(value, DictConfig):
            yield from _keys(value, f"{prefix}{key}.")
