"""Installing the package into Sorrel: ``Environment.__init__`` honours the config's models.

`install` wraps ``Environment.__init__``, the only method of a Sorrel class that is changed. When an
environment has built its agents and its config names models of the registry or a replacement
schedule, the environment gets a population, which tracks it from then on. An environment whose
config names neither stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.assignment import assign_and_admit, choose_models
from sorrel_recurrent_ppo.population.lifecycle import track_population
from sorrel_recurrent_ppo.population.members import (
    Population,
    population_of,
    refuse_shared_models,
)
from sorrel_recurrent_ppo.population.model_choice import read_requests
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.replacement.apply_schedule import schedule_from_config
from sorrel_recurrent_ppo.replacement.records import save_in_hydra_directory

__all__ = ["install", "uninstall"]


@dataclass
class _Hook:
    """Sorrel's own constructor while it is wrapped, and whether the wrapper does anything."""

    original: Callable[..., None] | None = None
    active: bool = False


_hook = _Hook()


def install() -> None:
    """Make environments built from now on honour the models in their configs; idempotent."""
    _hook.active = True
    if _hook.original is None:
        _hook.original = Environment.__init__
        Environment.__init__ = _wrap(_hook.original)


def uninstall() -> None:
    """Undo `install` for environments built from now on; idempotent.

    Environments that have a population already keep it.
    """
    _hook.active = False
    # Another package may have wrapped ours since: then ours stays in the chain, inactive.
    original = _hook.original
    if original is not None and getattr(Environment.__init__, "__wrapped__", None) is original:
        Environment.__init__ = original
        _hook.original = None


def _wrap(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(env: Environment, *args: Any, **kwargs: Any) -> None:
        original(env, *args, **kwargs)
        if _hook.active:
            with _naming_unresolved_keys():
                _honour_config(env)

    return __init__


@contextmanager
def _naming_unresolved_keys() -> Iterator[None]:
    """Turn a failed interpolation into a ConfigError that names the key."""
    try:
        yield
    except InterpolationResolutionError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"the config key '{error.full_key}' cannot be resolved: {reason}"
        ) from error


def _honour_config(env: Environment) -> None:
    """Give an environment a population and its models, if its config asks for any."""
    if not isinstance(env.config, DictConfig) or population_of(env) is not None:
        return
    section = OmegaConf.select(env.config, "replacement")
    is_schedule = section != "none" and isinstance(section, DictConfig | str)
    schedule = schedule_from_config(env.config) if is_schedule else None
    requests = read_requests(env.config, available_models())
    agents = getattr(env, "agents", [])
    choices = choose_models(env.config, requests, agents)
    # Environments that build their agents at each reset get their models at the first one.
    asks_for_models = any(c and c.build for c in choices) if agents else bool(requests)
    if not asks_for_models and schedule is None:
        refuse_shared_models(agents, [agent.model for agent in agents])
        return
    population = Population()
    population.replacement_listeners.append(save_in_hydra_directory)
    if schedule is not None:
        population.epoch_start_callbacks.append(schedule)
    assign_and_admit(env, population, agents, choices)
    track_population(env, population)
