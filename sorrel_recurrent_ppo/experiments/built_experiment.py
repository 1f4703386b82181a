"""An experiment built from its config: one environment, or several that a coordinator runs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.experiments.environments import build_runner
from sorrel_recurrent_ppo.integration.install import honour_config, install
from sorrel_recurrent_ppo.population.joining import environments_of, merge, separate
from sorrel_recurrent_ppo.population.lifecycle import track_coordinator
from sorrel_recurrent_ppo.population.members import Population, population_of
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.support.randomness import seed_global_generators

__all__ = ["BuiltExperiment", "build_experiment", "build_seeded"]


@dataclass(frozen=True)
class BuiltExperiment:
    """An experiment that is ready to run.

    Attributes:
        runner: The environment, or the coordinator of several, whose ``run_experiment`` runs it.
        population: The agents of all its environments.
        config: The complete config.
        n_built: The number of agents that the constructors built; others may join later.
    """

    runner: Any
    population: Population
    config: DictConfig
    n_built: int

    @property
    def is_coordinated(self) -> bool:
        """Whether a coordinator runs the environments."""
        return not any(self.runner is env for env in self.population.environments)

    @property
    def runs_sorrels_loop(self) -> bool:
        """Whether Sorrel's own ``run_experiment`` of a single environment runs it."""
        method = getattr(type(self.runner), "run_experiment", None)
        is_sorrels = str(getattr(method, "__module__", "")).partition(".")[0] == "sorrel"
        return is_sorrels and not self.is_coordinated

    def reset(self) -> None:
        """Reset all environments; some build their agents only then."""
        with self.population.paused():
            for env in self.population.environments:
                env.reset()

    def run(self, logger: Logger, *, animate: bool, output_dir: Path) -> None:
        """Call the runner's ``run_experiment`` with those of Sorrel's arguments that it takes."""
        arguments = {"animate": animate, "logger": logger, "output_dir": output_dir}
        if self.is_coordinated:
            # Of the class: the instance's may be overridden by one that takes anything.
            method = getattr(type(self.runner), "run_experiment", self.runner.run_experiment)
            parameters = inspect.signature(method).parameters.values()
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                names = {p.name for p in parameters}
                arguments = {name: a for name, a in arguments.items() if name in names}
        self.runner.run_experiment(**arguments)


def build_experiment(config: DictConfig) -> BuiltExperiment:
    """Build the environments of a config and their models, with seeded global random streams.

    Args:
        config: The result of `resolve_config`.

    Raises:
        ConfigError: As `build_runner`, ``model.type`` is unknown, or the environment has no
            config.
    """
    chosen = OmegaConf.select(config, "model.type")
    if isinstance(chosen, str) and chosen not in available_models():
        what = unknown_name("model.type: there is no model named", chosen, available_models())
        raise ConfigError(f"{what}. model.type=null leaves the environment its own models")
    runner = build_seeded(config)
    population = population_of(runner)
    if population is None:
        raise ConfigError(f"{type(runner).__name__} has no config, which its models depend on")
    is_environment = any(runner is env for env in population.environments)
    own_config = runner.config if is_environment else config
    return BuiltExperiment(runner, population, own_config, len(population.members))


def build_seeded(config: DictConfig) -> Any:
    """Build the environment or coordinator of a config; seed the global streams before and after.

    Args:
        config: The result of `resolve_config`.

    Raises:
        ConfigError: As `build_runner`, or a model setting is invalid.
    """
    install()
    seed_global_generators(config.seed)
    runner = build_runner(config)
    if isinstance(runner, Environment):
        honour_config(runner, always=True)
    if (population := population_of(runner)) is None:
        _join_environments(runner)
    elif any(runner is env for env in population.environments):
        separate(population)  # from environments that it has built for other purposes
    # Sorrel's environments reseed torch from the operating system while they build their agents.
    seed_global_generators(config.seed)
    return runner


def _join_environments(runner: Any) -> None:
    """Make one population of a coordinator's environments."""
    environments = list({id(env): env for env in environments_of(runner)}.values())
    for env in environments:
        honour_config(env, always=True)
    if environments:
        track_coordinator(runner, merge(environments))
    elif not isinstance(runner, Environment):
        raise ConfigError(
            f"environment.factory returned a {type(runner).__name__} without environments: it "
            "needs them as attributes, or in lists, tuples or dictionaries there"
        )
