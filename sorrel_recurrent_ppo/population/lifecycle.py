"""Keeping a population up to date while its environments are reset and run.

An environment with a population gets instance overrides of ``reset``, ``take_turn``,
``run_experiment`` and ``generate_memories`` (see ``support/instance_overrides``), each of which
calls the method of the environment's class.

Epochs are counted in one of two ways. While ``run_experiment`` of an environment runs, each of its
resets begins an epoch. In a population of several environments, which a coordinator runs in
lockstep, an epoch begins when an environment that has acted is reset again. In both, an epoch that
has been recorded is over: a turn that follows without a reset begins the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sorrel.environment import Environment

from sorrel_recurrent_ppo.population.admission import admit_agents, config_of
from sorrel_recurrent_ppo.population.epoch_metrics import given_logger, reporting
from sorrel_recurrent_ppo.population.expected_updates import (
    warn_of_no_update,
    warn_of_no_update_ahead,
)
from sorrel_recurrent_ppo.population.joining import (
    check_complete,
    leave_out_unused,
    separate,
)
from sorrel_recurrent_ppo.population.members import Population, population_of, set_population
from sorrel_recurrent_ppo.population.reconciliation import reconcile
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.support.instance_overrides import override

__all__ = ["follow_reset", "follow_turn", "run_tracked", "track_coordinator", "track_population"]

_log = logging.getLogger(__name__)


def track_population(env: Environment, population: Population) -> None:
    """Keep a population up to date whenever one of its environments is reset or run.

    Args:
        env: The environment.
        population: With the environment's agents as members, or empty until its first reset.
    """
    set_population(env, population)
    population.add_environment(env)
    if _follow_agents not in population.first_step_callbacks:
        population.first_step_callbacks.append(_follow_agents)
    population.set_roster(env, getattr(env, "agents", []))
    override(env, "reset", _reset)
    override(env, "take_turn", _take_turn)
    override(env, "run_experiment", _run_experiment)
    override(env, "generate_memories", _generate_memories)


def track_coordinator(coordinator: object, population: Population) -> None:
    """Make a population that of the object which runs its environments in lockstep.

    If it has a ``reset`` of its own, an epoch ends when that is called, otherwise when the first
    of the environments is reset.
    """
    set_population(coordinator, population)
    if any(coordinator is env for env in population.environments):
        override(coordinator, "run_experiment", _run_lockstep)
        return
    for name, function in (("run_experiment", _run_lockstep), ("reset", _reset_lockstep)):
        if callable(getattr(type(coordinator), name, None)):
            override(coordinator, name, function)


def _reset(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.reset``."""
    population = _population(env)
    if population.members:
        reconcile(env, population, in_reset=False)
    if population.counts_by_reset and population.begins_epoch(env):
        _end_epoch(env, population)
    result = type(env).reset(env, *args, **kwargs)
    follow_reset(env, population)
    return result


def _end_epoch(env: Any, population: Population) -> None:
    """Notify of the end of an epoch, with all environments of the population up to date."""
    if population.is_lockstep and population.members:
        _follow_agents(population)
    population.end_epoch(env)


def _follow_agents(population: Population) -> None:
    """Bring all environments of a population up to date.

    A coordinator may let agents act without ``take_turn``: newcomers are then found at the first
    step of any member.
    """
    _check_used(population)
    for env in population.environments:
        reconcile(env, population, in_reset=False)


def _check_used(population: Population) -> None:
    """Note that the environments have acted, once, and warn of what cannot work."""
    if population.has_acted:
        return
    leave_out_unused(population)
    check_complete(population)
    population.has_acted = True
    _warn_of_idle_schedule(population)


def follow_reset(env: Environment, population: Population) -> None:
    """Bring a population up to date after a reset of one of its environments."""
    if population.is_filled:
        reconcile(env, population, in_reset=True)
    else:
        admit_agents(env, population)
        population.set_roster(env, env.agents)
    if population.start_epoch(env):
        _prepare_epoch(env, population)


def _prepare_epoch(env: Environment, population: Population) -> None:
    if population.epoch == 0 and (config := config_of(env)) is not None:
        warn_of_no_update_ahead(population.members, config)
    _resume_training(population)
    for callback in population.epoch_start_callbacks:
        callback(env, population.epoch)


def _continue_without_reset(env: Environment, population: Population) -> None:
    """Begin an epoch at its first turn, in an environment that is not reset between epochs."""
    _end_epoch(env, population)
    population.start_epoch_without_reset()
    _prepare_epoch(env, population)


def _resume_training(population: Population) -> None:
    """Let the models train that the environment's code has left in evaluation."""
    for member in population.members:
        model = member.agent.model
        if is_ppo_model(model) and model.learns and not model.training:
            model.train()
            if not member.was_resumed:
                _log.warning(
                    "epoch %d: agent %s resumes training, since model.eval() was called and "
                    "model.train() was not; an agent that is not to learn needs learns=false in "
                    "its model's parameters",
                    *(population.epoch, member.name),
                )
            member.was_resumed = True


def _take_turn(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.take_turn``: agents may have changed since the last turn."""
    follow_turn(env, _population(env))
    return type(env).take_turn(env, *args, **kwargs)


def follow_turn(env: Environment, population: Population) -> None:
    """Bring a population up to date before a turn of one of its environments."""
    if population.is_filled:
        reconcile(env, population, in_reset=False)
    elif getattr(env, "agents", []):
        admit_agents(env, population)
        population.set_roster(env, env.agents)
    else:
        _warn_of_no_agents(env, population)
    _check_used(population)
    if population.continues_without_reset:
        _continue_without_reset(env, population)


def _warn_of_no_agents(env: Environment, population: Population) -> None:
    if not population.has_acted:
        _log.warning(
            "%s has no agents at its first turn: no agent gets the model that its config names",
            type(env).__name__,
        )


def _warn_of_idle_schedule(population: Population) -> None:
    if population.schedule is not None and not population.counts_by_reset:
        _log.warning(
            "replacement: epochs are counted while run_experiment runs, or in a population of "
            "several environments; this environment takes turns outside of both, so the schedule "
            "does not fire. Call sorrel_recurrent_ppo.join_environments(coordinator, [env])"
        )


def _run_experiment(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.run_experiment``."""
    separate(_population(env))
    return run_tracked(type(env).run_experiment, env, *args, **kwargs)


def _reset_lockstep(coordinator: Any, *args: Any, **kwargs: Any) -> Any:
    """Override of a coordinator's ``reset``."""
    population = _population(coordinator)
    if population.counts_by_reset and population.begins_epoch_after_steps():
        _end_epoch(coordinator, population)
    return type(coordinator).reset(coordinator, *args, **kwargs)


def _run_lockstep(coordinator: Any, *args: Any, **kwargs: Any) -> Any:
    """Override of a coordinator's ``run_experiment``."""
    return run_tracked(type(coordinator).run_experiment, coordinator, *args, **kwargs)


def run_tracked(run: Callable[..., Any], env: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a ``run_experiment`` with its epochs counted and reported."""
    population = _population(env)
    if population.is_filled:
        check_complete(population)
    completed = False
    population.start_experiment()
    try:
        with reporting(env, population, given_logger(run, env, *args, **kwargs)):
            result = run(env, *args, **kwargs)
        population.end_epoch(env)
        completed = True
        warn_of_no_update(population.members)
    finally:
        population.end_experiment(completed=completed)
    return result


def _generate_memories(env: Environment, *args: Any, **kwargs: Any) -> Any:
    """Override of ``Environment.generate_memories``, which leaves its models in evaluation.

    A later ``run_experiment`` would then train nothing, without a message.
    """
    population = _population(env)
    collecting = [agent.model for agent in env.agents if getattr(agent.model, "training", False)]
    try:
        with population.paused():
            return type(env).generate_memories(env, *args, **kwargs)
    finally:
        for model in collecting:
            model.train()  # pyright: ignore[reportAttributeAccessIssue] - it has ``training``


def _population(env: object) -> Population:
    population = population_of(env)
    assert population is not None
    return population
