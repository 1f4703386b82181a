"""Trained models, to compare how they continue after saving, loading and rejected files."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.errors import CheckpointError
from support.small_models import play, same_weights, small_model, weights


def trained(name="lstm_ppo", **changes):
    """Return a model after an update, within an episode and a rollout."""
    model = small_model(name, reward_scaling=True, **changes)
    play(model, 31, dones=[5], seed=1)
    model.train_step()
    play(model, 7, dones=[2], seed=2)
    return model


def continue_training(model):
    """Train for two more updates; return the actions, losses, weights and counters."""
    results = []
    for epoch in range(2):
        results.append(play(model, 29, dones=[11], seed=epoch))
        model.end_epoch_action(epoch=epoch)
        results.append(float(model.train_step()))
        results.append(model.diagnostics)
        model.start_epoch_action(epoch=epoch + 1)
        model.eval()
        results.append(play(model, 5))
        model.train()
    return results, weights(model), model.num_timesteps, model.n_updates, model.epsilon


def assert_same_results(one, other):
    """Assert that two results of `continue_training` are equal, bit for bit."""
    assert one[0] == other[0]
    assert same_weights(one[1], other[1])
    assert one[2:] == other[2:]


def assert_rejected(path, message, name="lstm_ppo"):
    """Assert that loading raises CheckpointError and leaves the model unchanged."""
    model, twin = trained(name), trained(name)
    for one in (model, twin):
        one.take_action(np.zeros(one.layout.size))
    with pytest.raises(CheckpointError, match=message) as caught:
        model.load(path)
    assert path.name in str(caught.value)
    for one in (model, twin):
        one.add_memory_ppo(1.0, False)
    assert_same_results(continue_training(model), continue_training(twin))
