"""Parallel training of several agents' models, each on its own core.

Sorrel's loop trains one model after another. Since PyTorch releases the GIL while it computes, the
first call starts the training of all models that are due. Each model has its own weights, rollout
and random streams, so the results equal those of sequential training, bit for bit. Whether that is
faster depends on the machine and the models; unless the config says so, it is measured.

A study's own loop may leave out a model in some epochs, which is only known when its turn comes.
Its models train one after another, whatever the number of threads.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.experiments.thread_choice import ThreadChoice
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.support.instance_overrides import override, remove_override
from sorrel_recurrent_ppo.support.single_thread import single_thread

__all__ = ["ParallelTrainer", "build_trainer", "training_with"]

_log = logging.getLogger(__name__)


class ParallelTrainer:
    """Overrides the ``train_step`` of models during a run.

    Attributes:
        n_threads: Number of models that train in parallel, each on one core.
        choice: Decides whether they do so; ``None`` for always.
    """

    def __init__(self, n_threads: int, choice: ThreadChoice | None = None) -> None:
        self.n_threads = n_threads
        self.choice = choice
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
        if self.choice is not None:
            self.choice.begin_epoch()
            if self.choice.is_made and not self.choice.is_parallel:
                return
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
        """Override of ``train_step``: return the loss, and note the time for the choice."""
        if self.choice is None:
            return self._train_in_parallel(model)
        n_updates = int(model.update_is_due or model in self._running)
        started = time.perf_counter()
        if self.choice.is_parallel:
            loss = self._train_in_parallel(model)
        else:
            loss = type(model).train_step(model)
        self.choice.add(time.perf_counter() - started, n_updates)
        return loss

    def _train_in_parallel(self, model: RecurrentPPO) -> np.ndarray:
        """Start the training of all models that are due, and return this one's loss."""
        if model not in self._running:
            for other in self._models:
                due = other.update_is_due and other.memory.at_episode_start
                if other is model or (due and other not in self._running):
                    self._running[other] = self._pool.submit(type(other).train_step, other)
        return self._running.pop(model).result()


def build_trainer(
    experiment: BuiltExperiment, n_threads: int | None, *, in_sweep: bool
) -> ParallelTrainer | None:
    """Return what trains an experiment's models in parallel, or ``None`` for one after another.

    Args:
        experiment: The experiment.
        n_threads: The number of threads in the config; ``None`` to measure, in a run of its own,
            whether as many as there are cores and models are faster than one.
        in_sweep: Whether the run is one of a sweep, whose runs may share the cores.
    """
    if n_threads == 1:
        return None
    if not experiment.runs_sorrels_loop:
        if n_threads is not None:
            _log.warning(
                "threads=%d is ignored: %s has a run_experiment of its own, which may train "
                "models or not; they train one after another",
                *(n_threads, type(experiment.runner).__name__),
            )
        return None
    if n_threads is not None:
        return ParallelTrainer(n_threads)
    models = [member.agent.model for member in experiment.population.members]
    n_models = sum(isinstance(model, RecurrentPPO) for model in models)
    n_threads = min(available_cores(), n_models)
    if in_sweep or n_threads < 2:
        return None
    return ParallelTrainer(n_threads, ThreadChoice(n_threads))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: as restricted by taskset or a batch system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def training_with(trainer: ParallelTrainer | None, population: Population) -> Iterator[None]:
    """Train a population's models with a trainer, within the block.

    Each model computes on one core.

    Args:
        trainer: The trainer, closed at the end; ``None`` for sequential training.
        population: The population, whose models are attached at the start of each epoch.
    """

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
