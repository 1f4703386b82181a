"""A profile of acting and of an update, by stage."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from sorrel_recurrent_ppo.learning import ppo
from sorrel_recurrent_ppo.models import base as models
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.policy import acting
from sorrel_recurrent_ppo.policy.heads import BranchedCategorical
from workloads import act

__all__ = ["clocked", "stages_of_rollouts"]

type TimedFunction = tuple[object, str, str]  # (owner, attribute, stage)


class _StageClock:
    """A clock that sums the time of each stage, excluding nested stages."""

    def __init__(self, outermost: str) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack = [outermost]
        self._since = time.perf_counter()

    def switch(self) -> None:
        """Add the time since the last switch to the innermost stage."""
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return the function with its time added to a stage."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self._stack.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch()
                self._stack.pop()

        return wrapper


@contextmanager
def clocked(
    functions: Sequence[TimedFunction], outermost: str = "Python"
) -> Iterator[dict[str, float]]:
    """Measure the seconds of each stage in the block.

    Args:
        functions: The owner, the attribute and the stage of each function to measure.
        outermost: The stage of the time that is in none of them.
    """
    clock = _StageClock(outermost)
    with ExitStack() as stack:
        for owner, attribute, stage in functions:
            timed = clock.timed(getattr(owner, attribute), stage)
            stack.enter_context(patch.object(owner, attribute, timed))
        clock.switch()
        clock.seconds.clear()
        yield clock.seconds
        clock.switch()


def stages_of_rollouts(
    model: RecurrentPPO, observations: np.ndarray, n_steps: int, rounds: int
) -> dict[str, list[float]]:
    """Collect and train on rollouts; return the seconds of each stage, one number per round.

    Args:
        model: A model after a warm-up, with an empty rollout; each rollout is one epoch.
        observations: The observations.
        n_steps: The model's rollout length.
        rounds: Number of rollouts.
    """
    stages: dict[str, list[float]] = defaultdict(list)
    for epoch in range(rounds):
        model.start_epoch_action(epoch=epoch)
        with clocked(_acting_functions(model)) as acting:
            act(model, observations, n_steps)
        model.end_epoch_action(epoch=epoch)
        with clocked(_training_functions(model)) as training:
            model.train_step()
        for part, seconds in (("acting", acting), ("training", training)):
            for stage, spent in seconds.items():
                stages[f"{part}: {stage}"].append(spent)
    return stages


def _acting_functions(model: RecurrentPPO) -> list[TimedFunction]:
    return [
        (acting.PolicyStep, "__call__", "encode, recurrent, heads"),
        (models, "sample_branches", "sampling"),
        (models, "read_observation", "reading the observation"),
        (model.memory, "add", "storing"),
    ]


def _training_functions(model: RecurrentPPO) -> list[TimedFunction]:
    policy = model.policy
    return [
        (policy.encoder, "forward", "encode"),
        (policy.core, "forward", "recurrent"),
        (policy.heads, "forward", "heads"),
        (BranchedCategorical, "log_prob_and_entropy", "loss"),
        (ppo, "clipped_policy_loss", "loss"),
        (ppo, "value_loss", "loss"),
        (torch.Tensor, "backward", "backward"),
        (torch.nn.utils, "clip_grad_norm_", "optimizer"),
        (model.optimizer, "step", "optimizer"),
        (ppo, "generalized_advantages", "advantages"),
    ]
