"""The models' diagnostics of an epoch, added to the record that Sorrel's runner makes of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.support.instance_overrides import overridden

__all__ = ["epoch_metrics", "given_logger", "reporting"]


def epoch_metrics(population: Population) -> dict[str, float]:
    """Return the extra values of the epoch that is being recorded.

    Args:
        population: The population.

    Returns:
        The diagnostics of the models' latest updates, each the mean over the agents that report
        it (none before the first update); and each agent's reward, as ``reward/<name>``.
    """
    reported: dict[str, list[float]] = {}
    for member in population.members:
        model = member.agent.model
        if is_ppo_model(model):
            diagnostics: Mapping[str, float] = model.diagnostics
            for name, value in diagnostics.items():
                reported.setdefault(name, []).append(value)
    values = {name: float(np.mean(each)) for name, each in reported.items()}
    for member in population.members:
        values[f"reward/{member.name}"] = member.epoch_reward
    return values


def given_logger(run_experiment: Callable[..., Any], *args: Any, **kwargs: Any) -> Logger | None:
    """Return the ``logger`` among the arguments of a call of ``run_experiment``, if any."""
    try:
        arguments = inspect.signature(run_experiment).bind(*args, **kwargs).arguments
    except TypeError:  # the call itself will say what is wrong with its arguments
        return None
    return arguments.get("logger")


@contextmanager
def reporting(env: Environment, population: Population, logger: Logger | None) -> Iterator[None]:
    """Add the extra values to each epoch recorded within the block.

    Args:
        env: The environment that is run.
        population: Its population.
        logger: The logger that records its epochs; with ``None``, the one that Sorrel's runner
            makes gets them, through the environment's ``aggregate_epoch_stats``.
    """
    if logger is None and not hasattr(env, "aggregate_epoch_stats"):
        yield  # a coordinator that records no epochs
        return
    if logger is None:
        aggregate = env.aggregate_epoch_stats

        def aggregate_with_values() -> dict[str, float]:
            population.is_recorded = True  # right afterwards
            return aggregate() | epoch_metrics(population)

        replaced = overridden(env, "aggregate_epoch_stats", aggregate_with_values)
    else:
        record_epoch = logger.record_epoch

        takes_any = any(
            p.kind is p.VAR_KEYWORD for p in inspect.signature(record_epoch).parameters.values()
        )

        def record_with_values(*args: Any, **kwargs: Any) -> None:
            values = epoch_metrics(population) if takes_any else {}
            record_epoch(*args, **(values | kwargs))
            population.is_recorded = True

        replaced = overridden(logger, "record_epoch", record_with_values)
    with replaced:
        yield
