"""Parallel training of several agents' models, each on its own core.

Sorrel's loop trains one model after another. Since PyTorch releases the GIL while it computes, the
first call starts the training of all models that are due. Each model has its own weights, rollout
and random streams, so the results equal those of sequential training, bit for bit.

A study's own loop may leave out a model in some epochs, which is only known when its turn comes.
Its models train one after another, whatever the number of threads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.support.instance_overrides import override, remove_override
from sorrel_recurrent_ppo.support.single_thread import single_thread

__all__ = ["ParallelTrainer", "training_threads", "usable_threads"]

_log = logging.getLogger(__name__)


class ParallelTrainer:
    """Overrides the ``train_step`` of models during a run.

    Attributes:
        n_threads: Number of models that train in parallel, each on one core.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        # In a new thread, PyTorch would default to all cores for each model.
        self._pool = ThreadPoolExecutor(
            n_threads, thread_name_prefix="train", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._models: list[RecurrentPPO] = []
        self._running: dict[RecurrentPPO, Future[np.ndarray]] = {}

    def attach(self, models: Iterable[BaseModel]) -> None:
        """Train these models in parallel from now on; models of other classes are unaffected.

        Call it while no model is training, such as at the start of an epoch.
        """
        self.detach()
        self._models = [model for model in models if isinstance(model, RecurrentPPO)]
        for model in self._models:
            override(model, "train_step", self._train_step)

    def detach(self) -> None:
        """Remove the overrides of ``train_step``."""
        for model in self._models:
            remove_override(model, "train_step")
        self._models = []

    def close(self) -> None:
        """Detach the models and wait for the threads to end."""
        self.detach()
        self._pool.shutdown()

    def _train_step(self, model: RecurrentPPO) -> np.ndarray:
        """Override of ``train_step``: start all models that are due, return this one's loss."""
        if model not in self._running:
            for other in self._models:
                due = other.update_is_due and other.memory.at_episode_start
                if other is model or (due and other not in self._running):
                    self._running[other] = self._pool.submit(type(other).train_step, other)
        return self._running.pop(model).result()


def usable_threads(experiment: BuiltExperiment, n_threads: int) -> int:
    """Return how many models may train in parallel, and log it if that is fewer than asked for.

    Args:
        experiment: The experiment.
        n_threads: The number in the config.
    """
    if n_threads == 1 or experiment.runs_sorrels_loop:
        return n_threads
    _log.warning(
        "threads=%d is ignored: %s has a run_experiment of its own, which may train models or not; "
        "they train one after another",
        *(n_threads, type(experiment.runner).__name__),
    )
    return 1


@contextmanager
def training_threads(population: Population, n_threads: int) -> Iterator[None]:
    """Train a population's models on ``n_threads`` cores within the block.

    Each model computes on one core.

    Args:
        population: The population, whose models are attached at the start of each epoch.
        n_threads: Number of models that train in parallel; 1 for sequential training.
    """
    trainer = ParallelTrainer(n_threads) if n_threads > 1 else None

    def attach(env: Any, epoch: int) -> None:
        if trainer is not None:
            trainer.attach(member.agent.model for member in population.members)

    population.epoch_start_callbacks.append(attach)
    try:
        with single_thread():
            yield
    finally:
        population.epoch_start_callbacks.remove(attach)
        if trainer is not None:
            trainer.close()
