"""Training the models of several agents at the same time, each on a core of its own.

Sorrel's loop asks one model after another to train. Since PyTorch releases the interpreter's lock
while it computes, the first one asked can bring all others that are due along. Each model has its
own weights, rollout and random streams, so the results are those of one after another, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from sorrel.environment import Environment
from sorrel.models import BaseModel
from threadpoolctl import threadpool_limits

from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.support.instance_overrides import override, remove_override

__all__ = ["ParallelTrainer", "training_threads"]


class ParallelTrainer:
    """Takes over the ``train_step`` of models for the time of a run.

    Attributes:
        n_threads: How many models train at the same time, each on one core.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        # A new thread would let PyTorch use all cores within each model again.
        self._pool = ThreadPoolExecutor(
            n_threads, thread_name_prefix="train", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._models: list[RecurrentPPO] = []
        self._running: dict[RecurrentPPO, Future[np.ndarray]] = {}

    def attach(self, models: Iterable[BaseModel]) -> None:
        """Train these models from now on, and no others; those that are not ours stay as they are.

        Call it when no model is training, such as at an epoch's start.
        """
        self.detach()
        self._models = [model for model in models if isinstance(model, RecurrentPPO)]
        for model in self._models:
            override(model, "train_step", self._train_step)

    def detach(self) -> None:
        """Give the models their own ``train_step`` back."""
        for model in self._models:
            remove_override(model, "train_step")
        self._models = []

    def close(self) -> None:
        """Let the models go and wait for the threads to end."""
        self.detach()
        self._pool.shutdown()

    def _train_step(self, model: RecurrentPPO) -> np.ndarray:
        """Stand for a model's ``train_step``: its class's, begun for all that are due at once."""
        if model not in self._running:
            for other in self._models:
                due = other.update_is_due and other.memory.at_episode_start
                if other is model or (due and other not in self._running):
                    self._running[other] = self._pool.submit(type(other).train_step, other)
        return self._running.pop(model).result()


@contextmanager
def training_threads(env: Environment, population: Population, n_threads: int) -> Iterator[None]:
    """Train an environment's models on so many cores for the time of the block.

    Each model computes on one core, since its products are too small to be worth sharing: with the
    libraries' own default, all cores, they take longer the more cores there are.

    Args:
        env: The environment that is run in the block.
        population: Its population, whose models are taken over at each start of an epoch.
        n_threads: How many models train at the same time; 1 for one after another.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    trainer = ParallelTrainer(n_threads) if n_threads > 1 else None

    def attach(env: Environment, epoch: int) -> None:
        if trainer is not None:
            trainer.attach(member.agent.model for member in population.members)

    population.epoch_start_callbacks.append(attach)
    try:
        with threadpool_limits(1):
            yield
    finally:
        population.epoch_start_callbacks.remove(attach)
        if trainer is not None:
            trainer.close()
        torch.set_num_threads(threads_before)
