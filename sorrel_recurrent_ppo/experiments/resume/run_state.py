"""The state of a run between two epochs: everything its next epochs depend on, in one file."""

from __future__ import annotations

import itertools
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.resume.member_restore import (
    capture_members,
    restore_members,
)
from sorrel_recurrent_ppo.experiments.resume.object_capture import capture_state
from sorrel_recurrent_ppo.experiments.resume.object_restore import restore_state
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint, write_checkpoint
from sorrel_recurrent_ppo.policy.cpu.matvec import LARGE_MATVECS, chosen_large_matvec
from sorrel_recurrent_ppo.population.records import Replacement, write_replacements
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.randomness import global_random_state, set_global_random_state
from sorrel_recurrent_ppo.support.wording import counted

__all__ = [
    "capture_run_state",
    "check_number_of_agents",
    "holds_epochs",
    "next_epoch",
    "read_run_state",
    "restore_replacements",
    "restore_run_state",
    "save_run_state",
    "saved_large_matvec",
    "saved_sinks",
]

log = logging.getLogger(__name__)


def capture_run_state(experiment: BuiltExperiment, logger: RunLogger) -> dict[str, Any]:
    """Return the state of a run between two epochs.

    It holds the agents with their models, optimizers, memories and rollouts, the attributes of
    agents, worlds, environments and their coordinator, the population's records, and all random
    states. It leaves out the config, code, loggers, and values without a plain form, which are
    logged.

    Args:
        experiment: The experiment.
        logger: The run's logger.

    Returns:
        Tensors, numbers, strings, lists and dictionaries.
    """
    population = experiment.population
    objects, left_out = capture_state(_roots(experiment))
    for path in left_out:
        log.warning(
            "The run's state cannot store %s: a resumed run starts with the value that the "
            "environment builds",
            path,
        )
    return {
        "epoch": population.epoch,
        "n_built": experiment.n_built,
        **capture_members(population),
        "replacements": [asdict(replacement) for replacement in population.replacements],
        "logger": logger.state_dict(),
        "objects": objects,
        "random": global_random_state(),
        "large_matvec": chosen_large_matvec(),
    }


def restore_run_state(
    experiment: BuiltExperiment, logger: RunLogger, state: dict[str, Any]
) -> None:
    """Restore a saved state into a newly built run.

    Args:
        experiment: The experiment, built from the same config.
        logger: The run's logger.
        state: What :func:`capture_run_state` returned.

    Raises:
        CheckpointError: The state does not match the rebuilt environments.
    """
    population = experiment.population
    restore_members(population, state)
    population.replacements[:] = [Replacement(**saved) for saved in state["replacements"]]
    restore_state(_roots(experiment), state["objects"])
    for env in population.environments:
        population.set_roster(env, env.agents)
    logger.load_state_dict(state["logger"])
    set_global_random_state(state["random"])  # last: the code above may draw


def check_number_of_agents(experiment: BuiltExperiment, state: dict[str, Any]) -> None:
    """Raise CheckpointError if the rebuilt environments have another number of agents.

    Args:
        experiment: The experiment, whose environments have been reset.
        state: The run's state; that of version 0.1.0 has all agents that were built.
    """
    expected, found = state.get("n_built"), experiment.n_built
    if expected is None:
        expected, found = len(state["members"]), len(experiment.population.members)
    if expected != found:
        raise CheckpointError(
            f"the run's state has {counted(expected, 'agent')}, the environment {found}"
        )


def save_run_state(files: RunFiles, state: dict[str, Any]) -> None:
    """Write a run's state atomically.

    Raises:
        CheckpointError: It could not be written; the previous state is unchanged.
    """
    write_checkpoint(files.run_state, state)


def read_run_state(files: RunFiles) -> dict[str, Any] | None:
    """Return the last saved state of a run, or ``None`` if it has not been saved yet.

    Raises:
        CheckpointError: The file is damaged, of a newer format, or has been removed: a run is first
            saved after epoch 0, so that a run with later epochs has had one.
    """
    if files.run_state.exists():
        return read_checkpoint(files.run_state)
    if _n_rows(files.metrics, at_most=2) == 2:
        raise CheckpointError(
            f"{files.run_state} is missing, without which the run cannot be resumed, although "
            f"{files.metrics.name} has its epochs. Restore the file; to start again instead, move "
            f"{files.directory} away. A new run can start from its agents: "
            "model.<model>.checkpoint=FILE"
        )
    return None


def holds_epochs(files: RunFiles) -> bool:
    """Return whether a directory has epochs of a run; one that was refused before them has none."""
    return files.run_state.is_file() or _n_rows(files.metrics, at_most=1) > 0


def _n_rows(table: Path, *, at_most: int) -> int:
    """Return the number of rows of a CSV file, counted up to a limit."""
    if not table.is_file():
        return 0
    with table.open(encoding="utf-8", errors="replace") as file:
        return max(0, sum(1 for _ in itertools.islice(file, 1 + at_most)) - 1)


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


def saved_large_matvec(state: dict[str, Any] | None) -> str | None:
    """Return how a run multiplies large weights, which decides how its numbers are rounded.

    Returns:
        A key of `LARGE_MATVECS`; ``None`` to choose the fastest.
    """
    if state is None:
        return None
    name = state.get("large_matvec", "vecdot")  # the only method before it was stored
    if name is not None and name not in LARGE_MATVECS:
        log.warning(
            "The run multiplied by the method '%s', which this version does not have: its next "
            "epochs are rounded differently",
            name,
        )
        return None
    return name


def saved_sinks(state: dict[str, Any] | None) -> dict[str, Any]:
    """Return the states of the run's sinks by name; empty for a new run.

    States of version 0.1.0 have a row per epoch, and do not say where the files end.
    """
    if state is None:
        return {}
    logged, n_epochs = state["logger"], next_epoch(state)
    if "sinks" in logged:
        return logged["sinks"]
    # Without replacements by a study's own code, the number of agents was constant.
    n_agent_rows = logged.get("agent_rows", n_epochs * len(state["members"]))
    return {"csv": {"metrics": {"n_rows": n_epochs}, "agents": {"n_rows": n_agent_rows}}}


def _roots(experiment: BuiltExperiment) -> dict[str, Any]:
    """Return the objects whose state is saved, by the names used in messages.

    The agents are first: they are also in the worlds, whose entities may be recreated.
    """
    environments = experiment.population.environments
    if not experiment.is_coordinated and len(environments) == 1:
        env = environments[0]
        return {"agents": env.agents, "world": env.world, "env": env}
    roots: dict[str, Any] = {}
    for part in ("agents", "world"):
        for k, env in enumerate(environments):
            roots[f"environments[{k}].{part}"] = getattr(env, part)
    for k, env in enumerate(environments):
        roots[f"environments[{k}]"] = env
    if experiment.is_coordinated:
        roots["coordinator"] = experiment.runner
    return roots
