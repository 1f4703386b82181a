"""The global random streams, and whole lives of models to compare."""

import random

import numpy as np
import torch

from support.small_models import play, same_weights, weights


def global_states():
    """Return the states of the global streams of Python, numpy and PyTorch, comparable by ==."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), (kind, tuple(keys), *rest), torch.get_rng_state().tolist()


def draw_from_global_streams():
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.rand(1)


def live(model, *, epochs=3):
    """Train for some updates; return all that happened."""
    actions = []
    for epoch in range(epochs):
        model.start_epoch_action(epoch=epoch)
        actions += play(model, 31, dones=[11], seed=epoch)[0]
        model.end_epoch_action(epoch=epoch)
        model.train_step()
    return actions, model.diagnostics, weights(model)


def assert_same_life(one, other):
    assert one[:2] == other[:2]
    assert same_weights(one[2], other[2])
