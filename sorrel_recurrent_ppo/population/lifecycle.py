"""Keeping a population up to date while its environment is reset and run.

An environment with a population gets instance overrides of ``reset``, ``run_experiment`` and
``generate_memories`` (see `sorrel_recurrent_ppo.support.instance_overrides`), each of which calls
the method of the environment's class.
"""

from __future__ import annotations

from typing import Any

from sorrel.environment import Environment

from sorrel_recurrent_ppo.population.assignment import assign_and_admit, choose_models
from sorrel_recurrent_ppo.population.epoch_metrics import given_logger, reporting
from sorrel_recurrent_ppo.population.members import Population, population_of, set_population
from sorrel_recurrent_ppo.population.model_choice import read_requests
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.support.instance_overrides import override

__all__ = ["track_population"]


def track_population(env: Environment, population: Population) -> None:
    """Keep a population up to date whenever its environment is reset or run.

    Args:
        env: The environment.
        population: With the environment's agents as members, or empty until its first reset.
    """
    set_population(env, population)
    override(env, "reset", _reset)
    override(env, "run_experiment", _run_experiment)
    override(env, "generate_memories", _generate_memories)


def _reset(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.reset``."""
    population = _population(env)
    _notify_epoch_end(env, population)
    result = type(env).reset(env, *args, **kwargs)
    if population.members:
        population.rebind_agents(env.agents)
    else:
        requests = read_requests(env.config, available_models())
        choices = choose_models(env.config, requests, env.agents)
        assign_and_admit(env, population, env.agents, choices)
    population.start_epoch()
    if population.running:
        for callback in population.epoch_start_callbacks:
            callback(env, population.epoch)
    return result


def _run_experiment(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.run_experiment``."""
    population = _population(env)
    run = type(env).run_experiment
    completed = False
    population.start_experiment()
    try:
        with reporting(env, population, given_logger(run, env, *args, **kwargs)):
            result = run(env, *args, **kwargs)
        _notify_epoch_end(env, population)
        completed = True
    finally:
        population.end_experiment(completed=completed)
    return result


def _notify_epoch_end(env: Environment, population: Population) -> None:
    if population.running and population.epoch >= 0:
        for callback in population.epoch_end_callbacks:
            callback(env, population.epoch)


def _generate_memories(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.generate_memories``, which leaves its models in evaluation.

    A later ``run_experiment`` would then train nothing, without a message.
    """
    collecting = [agent.model for agent in env.agents if getattr(agent.model, "training", False)]
    try:
        return type(env).generate_memories(env, *args, **kwargs)
    finally:
        for model in collecting:
            model.train()  # pyright: ignore[reportAttributeAccessIssue] - it has ``training``


def _population(env: Environment) -> Population:
    population = population_of(env)
    assert population is not None
    return population
