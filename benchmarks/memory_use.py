"""Memory of a model, per stored step and over many epochs, measured in separate processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import psutil

from machine import use_one_thread
from workloads import FLAT150, act, build_model, run_epochs

__all__ = ["buffer_bytes_per_step", "growth_over_epochs", "resident_bytes_per_step"]


def buffer_bytes_per_step(n_steps: int) -> float:
    """Return the size of the rollout's arrays in bytes, divided by the number of stored steps."""
    memory = _filled_model(n_steps).memory
    arrays = [value for value in vars(memory).values() if isinstance(value, np.ndarray)]
    owned = sum(array.nbytes for array in arrays if array.base is None)
    return owned / len(memory)


def resident_bytes_per_step(n_steps: int) -> float:
    """Return the growth of the process in bytes per step, including the update."""
    return _in_new_process(_resident_bytes_per_step, n_steps)


def growth_over_epochs(n_epochs: int) -> float:
    """Return the growth of a process in bytes, from a fifth of the epochs to the last."""
    return _in_new_process(_growth_over_epochs, n_epochs)


def _in_new_process(function: Callable[[int], float], n: int) -> float:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, n).result()


def _resident_bytes_per_step(n_steps: int) -> float:
    use_one_thread()
    observations = FLAT150.observations(100)
    warm_up = build_model(FLAT150)  # kept, so that the measured model does not reuse its memory
    run_epochs(warm_up, observations, 11)
    model = build_model(FLAT150, rollout_length=n_steps)
    before = _resident()
    act(model, observations, n_steps)
    model.end_epoch_action(epoch=0)
    model.train_step()
    return (_resident() - before) / n_steps


def _growth_over_epochs(n_epochs: int) -> float:
    use_one_thread()
    observations = FLAT150.observations(20)
    model = build_model(FLAT150, hidden_size=32, layer_size=32, rollout_length=200)
    warmed_up = 0
    for epoch in range(n_epochs):
        model.start_epoch_action(epoch=epoch)
        act(model, observations, 20)
        model.end_epoch_action(epoch=epoch)
        model.train_step()
        if epoch == n_epochs // 5:
            warmed_up = _resident()
    return float(_resident() - warmed_up)


def _filled_model(n_steps: int):
    model = build_model(FLAT150, rollout_length=n_steps)
    act(model, FLAT150.observations(100), n_steps)
    return model


def _resident() -> int:
    return psutil.Process().memory_info().rss
