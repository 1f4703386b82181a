"""The seed of a run, and the seeds of its agents that follow from it."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.support.checks import check_integer
from sorrel_recurrent_ppo.support.randomness import derive_seed, peek_seed

__all__ = ["agent_seed", "run_seed"]


def run_seed(config: DictConfig) -> int:
    """Return the seed of a run: the config's ``seed``.

    Without one it is a digest of numpy's global state, which is not drawn from: a program that
    seeds that state gets the same models and newcomers again.

    Raises:
        ConfigError: ``seed`` is not an integer of at least 0.
    """
    seed = OmegaConf.select(config, "seed")
    return peek_seed() if seed is None else check_integer("seed", seed, 0)


def agent_seed(config: DictConfig, model_name: str, model_seed: Any, index: int) -> int:
    """Return the seed of an agent's model.

    Args:
        config: The environment's whole config.
        model_name: The model's registry name.
        model_seed: ``model.<name>.seed``, which takes precedence over the run's seed, or ``None``.
        index: The agent's index.

    Raises:
        ConfigError: A seed is not an integer of at least 0.
    """
    if model_seed is None:
        return derive_seed(run_seed(config), index)
    return derive_seed(check_integer(f"model.{model_name}.seed", model_seed, 0), index)
