"""The expected size of a run's files, known before it starts."""

from __future__ import annotations

import math
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.registry import is_ppo_model

__all__ = ["expected_size", "format_size"]

# Bytes, measured in runs of Sorrel's environments.
_ROW = 60
_CELL = 14  # of a number
_EVENT = 68  # of TensorBoard

_N_DIAGNOSTICS = 12  # of an update
_N_WORLD_VALUES = 9  # reward, loss, speed and others of the environment
_N_TURN_VALUES = 2  # with log_turns, besides those of the agents
_N_MOMENTS = 2  # of Adam, per weight


def expected_size(config: DictConfig, population: Population) -> int:
    """Estimate the size of a run's files at its end.

    Args:
        config: The resolved config.
        population: The population at the start of the run.

    Returns:
        Bytes of the CSV files, TensorBoard's events, the checkpoints and the run's state. Pictures,
        recorded states, the checkpoints of newcomers and the replay memories of Sorrel's models are
        left out.
    """
    n_epochs, members = config.experiment.epochs + 1, population.members
    n_values = [_N_DIAGNOSTICS if is_ppo_model(m.model) else 1 for m in members]
    n_world = _N_WORLD_VALUES + max(n_values, default=0)
    cells = n_world + sum(n_values)
    row = _ROW * (1 + len(members)) + _CELL * cells + _EVENT * (cells + len(members))
    size = math.ceil(n_epochs / config.log_period) * row
    if config.log_turns:
        size += n_epochs * config.experiment.max_turns * (_N_TURN_VALUES + len(members)) * _EVENT
    models = sum(_model_size(member.model) for member in members)
    return size + 2 * models + _kept_size(config, n_epochs, models)


def _kept_size(config: DictConfig, n_epochs: int, models: int) -> int:
    """Return the size of the checkpoints that are kept by epoch."""
    every = OmegaConf.select(config, "checkpoint_keep.every")
    if every is None:
        return 0
    return min(math.ceil(n_epochs / every) * models, int(config.checkpoint_keep.max_gb * 1e9))


def _model_size(model: Any) -> int:
    """Return the size of a model's weights with the moments of the optimizer."""
    parameters = getattr(model, "parameters", list)()
    return sum(weight.numel() * weight.element_size() for weight in parameters) * (1 + _N_MOMENTS)


def format_size(n_bytes: int) -> str:
    """Return a size in MB, or GB from 10 GB, of at least 1 MB."""
    if n_bytes >= 10_000_000_000:
        return f"{n_bytes / 1e9:.0f} GB"
    return f"{max(1, round(n_bytes / 1e6))} MB"
