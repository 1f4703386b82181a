"""Sorrel environments for the benchmarks, with a recurrent PPO model or Sorrel's own."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from sorrel.environment import Environment

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.registry import load_model_class
from sorrel_recurrent_ppo.support.randomness import seed_global_generators

__all__ = ["build_sorrel_env", "compose_config"]


def compose_config(environment: str, model: str | None, overrides: Sequence[str]) -> DictConfig:
    """Compose a config as ``sorrel-recurrent-ppo run`` does.

    Args:
        environment: Name of a packaged environment config.
        model: Name of a packaged model config; ``None`` for the environment's own model.
        overrides: Hydra overrides.
    """
    # cleanup's config refers to model.type, which must exist without a model group.
    choice = [f"model={model}"] if model else ["~model", "+model.type=iqn"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("config", [f"environment={environment}", *choice, *overrides])


def build_sorrel_env(
    environment: str, model: str | None, *, seed: int, overrides: Sequence[str] = ()
) -> Environment:
    """Build an environment whose agents have the given model, or Sorrel's.

    This seeds the global random streams, from which Sorrel's worlds draw.

    Args:
        environment: Name of a packaged environment config.
        model: Registry name, or ``None`` for the environment's own IQN.
        seed: Seed of the world and the models.
        overrides: Hydra overrides.
    """
    config = resolve_config(compose_config(environment, model, [f"seed={seed}", *overrides]))
    # Hydra's plugin may have installed the integration; without a model Sorrel runs unmodified.
    (install if model else uninstall)()
    seed_global_generators(seed)
    env = build_environment(config)
    # Sorrel's environments reseed torch from the operating system when they build their agents.
    seed_global_generators(seed)
    if model:
        _check_models(env, model)
    return env


def _check_models(env: Environment, model: str) -> None:
    """Raise an error unless every agent has the model."""
    expected = load_model_class(model)
    for index, agent in enumerate(env.agents):
        found = type(agent.model)
        if found is not expected:
            raise RuntimeError(
                f"agent {index}: expected the model '{model}', found {found.__name__}"
            )
