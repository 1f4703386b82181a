"""Fast-forward Sorrel's epoch loop to the epoch from which a run resumes.

``run_experiment`` always counts from 0. The first epochs are therefore skipped: they take no turns,
train nothing and write nothing. The saved state is restored when the first epoch to run begins.
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

# The model methods that the loop calls, and their replacements in a skipped epoch.
_MODEL_HOOKS: dict[str, Callable[..., Any]] = {
    "start_epoch_action": lambda **_: None,
    "end_epoch_action": lambda **_: None,
    "train_step": lambda: np.array(0.0),
    "epsilon_decay": lambda _: None,
    "save": lambda _=None, **__: None,
}


@contextmanager
def skipping_epochs(env: Environment, n_epochs: int, restore: Callable[[], None]) -> Iterator[None]:
    """Skip the first epochs of the ``run_experiment`` that is called in the block.

    The logger is still called for them and must ignore them.

    Args:
        env: The environment, with its agents.
        n_epochs: Number of epochs to skip; with 0 nothing is overridden or restored.
        restore: Called when the first epoch to run begins, before its reset.
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
    """Disable drawing and saving in skipped epochs: a remainder by nan never equals 0."""
    experiment = env.config.experiment
    if "record_period" in experiment:
        undo.callback(experiment.__setattr__, "record_period", experiment.record_period)
        experiment.record_period = math.nan
