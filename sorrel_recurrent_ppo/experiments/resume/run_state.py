"""The state of a run between two epochs: everything its next epochs depend on, in one file."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig, OmegaConf
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.resume.object_capture import capture_state
from sorrel_recurrent_ppo.experiments.resume.object_restore import restore_state
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint, write_checkpoint
from sorrel_recurrent_ppo.population.admission import config_of
from sorrel_recurrent_ppo.population.members import Member, Population, attach_model
from sorrel_recurrent_ppo.population.records import Replacement, write_replacements
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.replacement.newcomers import ReplacedAgent, build_newcomer, parameters_of
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.randomness import global_random_state, set_global_random_state

__all__ = [
    "capture_run_state",
    "check_number_of_agents",
    "next_epoch",
    "read_run_state",
    "restore_replacements",
    "restore_run_state",
    "save_run_state",
]

log = logging.getLogger(__name__)


def capture_run_state(
    env: Environment, population: Population, logger: RunLogger
) -> dict[str, Any]:
    """Return the state of a run between two epochs.

    It holds the agents with their models, optimizers, memories and rollouts, the attributes of
    agents, world and environment, the population's records, and all random states. It leaves out
    the config, code, loggers, and values without a plain form, which are logged.

    Args:
        env: The environment.
        population: The environment's population.
        logger: The run's logger.

    Returns:
        Tensors, numbers, strings, lists and dictionaries.
    """
    objects, left_out = capture_state(_roots(env))
    for path in left_out:
        log.warning(
            "The run's state cannot store %s: a resumed run starts with the value that the "
            "environment builds",
            path,
        )
    return {
        "epoch": population.epoch,
        "members": [_capture_member(member) for member in population.members],
        "n_named": population.n_named,
        "replacements": [asdict(replacement) for replacement in population.replacements],
        "logger": logger.state_dict(),
        "objects": objects,
        "random": global_random_state(),
    }


def restore_run_state(
    env: Environment, population: Population, logger: RunLogger, state: dict[str, Any]
) -> None:
    """Restore a saved state into a newly built run.

    Args:
        env: The environment, built from the same config.
        population: The environment's population.
        logger: The run's logger.
        state: What :func:`capture_run_state` returned.

    Raises:
        CheckpointError: The state does not match the rebuilt environment.
    """
    members = []
    for saved in state["members"]:
        member = Member.from_state(saved)
        if population.members[member.index].name != member.name:
            _build_model_of(population, member, saved["parameters"], config_of(env))
        members.append(member)
    population.restore(members, n_named=state["n_named"], epoch=state["epoch"])
    population.replacements[:] = [Replacement(**saved) for saved in state["replacements"]]
    restore_state(_roots(env), state["objects"])
    logger.load_state_dict(state["logger"])
    set_global_random_state(state["random"])  # last: the code above may draw


def check_number_of_agents(env: Environment, state: dict[str, Any]) -> None:
    """Raise CheckpointError if the state and the environment differ in the number of agents."""
    if len(state["members"]) != len(env.agents):
        raise CheckpointError(
            f"the run's state has {len(state['members'])} agents, the environment {len(env.agents)}"
        )


def save_run_state(files: RunFiles, state: dict[str, Any]) -> None:
    """Write a run's state atomically.

    Raises:
        CheckpointError: It could not be written; the previous state is unchanged.
    """
    write_checkpoint(files.run_state, state)


def read_run_state(files: RunFiles) -> dict[str, Any] | None:
    """Return the last saved state of a run, or ``None`` if there is none.

    Raises:
        CheckpointError: The file is damaged or of a newer format.
    """
    return read_checkpoint(files.run_state) if files.run_state.exists() else None


def next_epoch(state: dict[str, Any] | None) -> int:
    """Return the epoch from which a run resumes."""
    return 0 if state is None else state["epoch"] + 1


def restore_replacements(files: RunFiles, state: dict[str, Any] | None) -> None:
    """Roll ``replacements.csv`` back to a saved state."""
    if state is not None and state["replacements"]:
        saved = [Replacement(**replacement) for replacement in state["replacements"]]
        write_replacements(files.replacements, saved)
    else:
        files.replacements.unlink(missing_ok=True)


def _roots(env: Environment) -> dict[str, Any]:
    # The agents first: they are also in the world, whose entities may be recreated.
    return {"agents": env.agents, "world": env.world, "env": env}


def _capture_member(member: Member) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if member.model_name in available_models():
        parameters = parameters_of(member.agent.model, member.model_name)
        if "device" in parameters:
            parameters["device"] = str(parameters["device"])
    return {**member.state_dict(), "parameters": parameters}


def _build_model_of(
    population: Population, member: Member, parameters: dict[str, Any], config: DictConfig | None
) -> None:
    """Build a newcomer's model, into which its state is restored afterwards."""
    former = population.members[member.index]
    empty = OmegaConf.create({}) if config is None else config
    newcomer = build_newcomer(
        ReplacedAgent(former.agent, member.index, empty, former.model_name, former.kind),
        model_name=member.model_name,
        parameters=parameters,
        checkpoint=None,
        seed=member.seed or 0,
    )
    attach_model(former.agent, member.index, newcomer.model)
