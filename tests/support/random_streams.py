"""The global random streams, and short trainings of models to compare."""

import random

import numpy as np
import torch

from support.small_models import play, same_weights, weights


def global_states():
    """Return the states of the global streams of Python, numpy and PyTorch, comparable by ==."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), (kind, tuple(keys), *rest), torch.get_rng_state().tolist()


def draw_from_global_streams():
    """Draw one number from each global stream."""
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.rand(1)


def train_briefly(model, *, epochs=3):
    """Train for some updates; return the actions, the diagnostics and the weights."""
    actions = []
    for epoch in range(epochs):
        model.start_epoch_action(epoch=epoch)
        actions += play(model, 31, dones=[11], seed=epoch)[0]
        model.end_epoch_action(epoch=epoch)
        model.train_step()
    return actions, model.diagnostics, weights(model)


def assert_same_training(one, other):
    """Assert that two results of `train_briefly` are equal, bit for bit."""
    assert one[:2] == other[:2]
    assert same_weights(one[2], other[2])
