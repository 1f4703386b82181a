"""Warnings for experiments that are too short for a recurrent PPO to learn anything."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.support.wording import counted, ranges

__all__ = ["expected_updates", "warn_of_no_update", "warn_of_no_update_ahead"]

_log = logging.getLogger(__name__)
_REMEDIES = (
    "Use more epochs, or model.%s.rollout_length=null to update after every epoch, or a smaller "
    "rollout_length"
)


def expected_updates(n_epochs: int, n_turns: int, rollout_length: int | None) -> int:
    """Return how often an agent that acts in every turn is updated.

    Args:
        n_epochs: The number of epochs.
        n_turns: The number of turns in an epoch.
        rollout_length: Steps that an update needs; ``None`` for an update after every epoch.
    """
    if rollout_length is None:
        return n_epochs
    return n_epochs // math.ceil(rollout_length / max(n_turns, 1))


def warn_of_no_update_ahead(members: Sequence[Member], config: DictConfig) -> None:
    """Warn if the models will not be updated in an experiment of this length.

    Args:
        members: The members of the population.
        config: Its config, with ``experiment.epochs`` and ``experiment.max_turns``; without these
            nothing is known.
    """
    last_epoch = OmegaConf.select(config, "experiment.epochs")
    n_turns = OmegaConf.select(config, "experiment.max_turns")
    if not (isinstance(last_epoch, int) and isinstance(n_turns, int)):
        return
    idle = [m for m in _learning(members) if not _has_updates(m, last_epoch + 1, n_turns)]
    if not idle:
        return
    length = idle[0].model.settings.rollout_length
    _log.warning(
        "%s will not be updated: %s of at most %s are %d steps, fewer than "
        f"rollout_length=%d. {_REMEDIES}",
        *(_names(idle), counted(last_epoch + 1, "epoch"), counted(n_turns, "turn")),
        *((last_epoch + 1) * n_turns, length),
        idle[0].model_name,
    )


def warn_of_no_update(members: Sequence[Member]) -> None:
    """Warn, at the end of an experiment, of models that have acted and made no update."""
    idle = [m for m in _learning(members) if m.model.num_timesteps and not m.model.n_updates]
    if not idle:
        return
    steps = max(member.model.num_timesteps for member in idle)
    _log.warning(
        f"%s made no update: at most %d steps are fewer than rollout_length=%d. {_REMEDIES}",
        *(_names(idle), steps, idle[0].model.settings.rollout_length, idle[0].model_name),
    )


def _learning(members: Sequence[Member]) -> list[Member]:
    """Return the members whose recurrent PPO trains on rollouts of a minimum length."""
    return [
        member
        for member in members
        if is_ppo_model(member.model)
        and (member.model.learns and member.model.training)
        and member.model.settings.rollout_length is not None
    ]


def _has_updates(member: Member, n_epochs: int, n_turns: int) -> bool:
    rollout_length = member.model.settings.rollout_length
    return bool(member.model.n_updates or expected_updates(n_epochs, n_turns, rollout_length))


def _names(members: Sequence[Member]) -> str:
    return f"agent{'' if len(members) == 1 else 's'} {ranges([m.name for m in members])}"
