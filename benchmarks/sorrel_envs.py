"""Sorrel environments for the benchmarks: from the packaged configs, with our model or Sorrel's."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from sorrel.environment import Environment

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.experiments.experiment import resolve_config
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.registry import load_model_class
from sorrel_recurrent_ppo.support.randomness import seed_global_generators

__all__ = ["build_sorrel_env", "compose_config"]


def compose_config(environment: str, model: str | None, overrides: Sequence[str]) -> DictConfig:
    """Compose a config as ``sorrel-recurrent-ppo run`` does.

    Args:
        environment: Name of a packaged environment config.
        model: Name of a packaged model config; ``None`` for none, as in Sorrel alone.
        overrides: Hydra overrides.
    """
    # Without a model group its type still stands in for those who refer to it (cleanup).
    choice = [f"model={model}"] if model else ["~model", "+model.type=iqn"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("config", [f"environment={environment}", *choice, *overrides])


def build_sorrel_env(
    environment: str, model: str | None, *, seed: int, overrides: Sequence[str] = ()
) -> Environment:
    """Build an environment whose agents have the model, or the one that Sorrel gives them.

    The global random streams, from which Sorrel's worlds draw, are seeded.

    Args:
        environment: Name of a packaged environment config.
        model: Registry name, or ``None`` for the environment's own IQN.
        seed: Seed of the world and the models.
        overrides: Hydra overrides.
    """
    config = resolve_config(compose_config(environment, model, [f"seed={seed}", *overrides]))
    # Hydra's plugin may have installed the swap already; without a model Sorrel is to be as it is.
    (install if model else uninstall)()
    seed_global_generators(seed)
    env = build_environment(config)
    # Sorrel's environments reseed torch from the operating system while they build their agents.
    seed_global_generators(seed)
    if model:
        _check_models(env, model)
    return env


def _check_models(env: Environment, model: str) -> None:
    """Make sure that nothing else is measured under the model's name."""
    expected = load_model_class(model)
    for agent in env.agents:
        if type(agent.model) is not expected:
            raise RuntimeError(f"an agent has {type(agent.model).__name__}, not '{model}'")
