"""Bringing Sorrel's own loop over epochs to an epoch in the middle.

``run_experiment`` counts from 0, in whichever class it is defined. So its first epochs are passed
over: they take no turns, train nothing and write nothing, until the one from which the run is to go
on begins. All that they could have changed is put back there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from sorrel.environment import Environment

from sorrel_recurrent_ppo.support.instance_overrides import overridden

__all__ = ["skipping_epochs"]

# What the loop asks of each model, and what it gets for an epoch that is passed over.
_MODEL_HOOKS: dict[str, Callable[..., Any]] = {
    "start_epoch_action": lambda **_: None,
    "end_epoch_action": lambda **_: None,
    "train_step": lambda: np.array(0.0),
    "epsilon_decay": lambda _: None,
    "save": lambda _=None, **__: None,
}


@contextmanager
def skipping_epochs(env: Environment, n_epochs: int, restore: Callable[[], None]) -> Iterator[None]:
    """Let the ``run_experiment`` that is called in the block pass over its first epochs.

    Its logger is called for them too, and has to leave them out.

    Args:
        env: The environment, with its agents.
        n_epochs: How many epochs are passed over; with 0 nothing is changed or put back.
        restore: Called when the first epoch that is run begins, before its reset.
    """
    if not n_epochs:
        yield
        return
    n_begun = 0
    with ExitStack() as undo:

        def reset(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_begun
            if n_begun == 0:
                _mute_record_period(env, undo)
            if n_begun < n_epochs:
                n_begun += 1
                take_turn()
                return None
            undo.close()
            restore()
            return env.reset(*args, **kwargs)

        def take_turn(*args: Any, **kwargs: Any) -> None:
            env.turn = env.config.experiment.max_turns

        undo.enter_context(overridden(env, "reset", reset))
        undo.enter_context(overridden(env, "take_turn", take_turn))
        for model in {id(agent.model): agent.model for agent in env.agents}.values():
            for name, hook in _MODEL_HOOKS.items():
                undo.enter_context(overridden(model, name, hook))
        yield


def _mute_record_period(env: Environment, undo: ExitStack) -> None:
    """Let no passed epoch be one of those that are drawn and saved: a remainder by nan is none."""
    experiment = env.config.experiment
    if "record_period" in experiment:
        undo.callback(experiment.__setattr__, "record_period", experiment.record_period)
        experiment.record_period = math.nan
