"""Configuration errors for worlds that are too small for their entities, or have no agents."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment

__all__ = ["agents_required", "explain_small_world"]

# Messages of numpy and Python for a choice among too few cells; they have no common class.
_TOO_SMALL = (
    "a must be greater than 0 unless no samples are taken",
    "cannot take a larger sample than population",
    "sample larger than population",
    "negative dimensions are not allowed",
)
_NOT_PLACED = "location is None."  # of Sorrel's Entity.location
# The methods in which Sorrel's worlds and environments place entities.
_PLACING = frozenset({"create_world", "populate_environment"})
_SIZES = ("height", "width")
_COUNTS = ("num_agents", "num")


@contextmanager
def explain_small_world(config: DictConfig) -> Generator[None]:
    """Raise ConfigError if a world has too few cells for what is placed in it, or no agents.

    Args:
        config: The config, whose sizes of worlds the message names.
    """
    try:
        yield
    except ConfigError:
        raise
    except AttributeError as error:
        if not str(error).endswith(_NOT_PLACED):
            raise
        raise ConfigError(
            f"an agent has no place in the world ({_sizes_of(config)}): {error} Each agent must be "
            "added to the world by populate_environment"
        ) from error
    except ValueError as error:
        names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        if "setup_agents" in names and (zeros := _zero_counts(config)):
            raise ConfigError(
                f"there are no agents, expected at least 1; the config has {zeros}"
            ) from error
        message = str(error).lower()
        if not names & _PLACING or not any(text in message for text in _TOO_SMALL):
            raise
        raise ConfigError(
            f"the world is too small for its agents and other entities ({_sizes_of(config)}): "
            f"{error}"
        ) from error


@contextmanager
def agents_required(experiment: BuiltExperiment) -> Generator[None]:
    """Raise ConfigError if an epoch begins without agents, or fails since there are none.

    Sorrel's own ``run_experiment`` needs an agent; a study's own may add agents later.
    """
    callbacks = experiment.population.epoch_start_callbacks

    def check(env: Any, epoch: int) -> None:
        if _lacks_agents(experiment):
            raise ConfigError(_no_agents(experiment))

    callbacks.append(check)
    try:
        yield
    except (IndexError, ValueError) as error:
        if isinstance(error, ConfigError) or not _lacks_agents(experiment):
            raise
        raise ConfigError(_no_agents(experiment)) from error
    finally:
        callbacks.remove(check)


def _lacks_agents(experiment: BuiltExperiment) -> bool:
    return experiment.runs_sorrels_loop and not experiment.population.members


def _no_agents(experiment: BuiltExperiment) -> str:
    zeros = _zero_counts(experiment.config)
    of_config = f"; the config has {zeros}" if zeros else ""
    return f"{type(experiment.runner).__name__} has no agents, expected at least 1{of_config}"


def _zero_counts(config: DictConfig) -> str:
    return _listed(config, lambda key, value: key in _COUNTS and value == 0)


def _sizes_of(config: DictConfig) -> str:
    return _listed(config, lambda key, _: key in _SIZES)


def _listed(config: DictConfig, is_named: Callable[[str, Any], bool]) -> str:
    """Return the assignments of some keys of a config, such as ``world.height=2``."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return ", ".join(
        f"{'.'.join(path)}={value}" for path, value in _values(plain) if is_named(path[-1], value)
    )


def _values(section: dict[Any, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _values(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value
