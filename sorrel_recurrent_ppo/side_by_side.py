"""Training the models of several agents at the same time, each on a core of its own.

Sorrel's loop asks one model after another to train. Since PyTorch releases the interpreter's lock
while it computes, the first one asked can bring all others that are due along. Each model has its
own weights, rollout and random streams, so the results are those of one after another, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.models import RecurrentPPO

__all__ = ["SideBySideTrainer", "side_by_side"]


class SideBySideTrainer:
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

    def take_over(self, models: Iterable[BaseModel]) -> None:
        """Train these models from now on, and no others; those that are not ours stay as they are.

        Call it when no model is training, such as at an epoch's start.
        """
        self.let_go()
        self._models = [model for model in models if isinstance(model, RecurrentPPO)]
        for model in self._models:
            vars(model)["train_step"] = functools.partial(self._train_step, model)

    def let_go(self) -> None:
        """Give the models their own ``train_step`` back."""
        for model in self._models:
            vars(model).pop("train_step", None)
        self._models = []

    def close(self) -> None:
        """Let the models go and wait for the threads to end."""
        self.let_go()
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
def side_by_side(n_threads: int) -> Iterator[SideBySideTrainer | None]:
    """Yield a trainer for the block, or ``None`` where one thread is all there is."""
    trainer = SideBySideTrainer(n_threads) if n_threads > 1 else None
    try:
        yield trainer
    finally:
        if trainer is not None:
            trainer.close()
