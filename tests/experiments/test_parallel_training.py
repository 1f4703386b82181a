"""Parallel training equals sequential training and trains every model once."""

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.experiments.parallel_training import ParallelTrainer
from support.small_models import small_model


def collect(models, epoch):
    """Fill every model's rollout with one epoch of the same observations."""
    rng = np.random.default_rng(epoch)
    for model in models:
        model.start_epoch_action(epoch=epoch)
    for obs in rng.normal(size=(40, models[0].layout.size)):
        for model in models:
            model.memory.add(obs, model.take_action(obs), float(obs[0]), False)
    for model in models:
        model.end_epoch_action(epoch=epoch)


def trained(n_threads, rollout_length):
    """Return the losses of three epochs and the trained models."""
    models = [
        small_model(name, seed=seed, rollout_length=rollout_length)
        for seed, name in enumerate(["lstm_ppo", "gru_ppo", "lstm_ppo"])
    ]
    losses = []
    trainer = ParallelTrainer(n_threads)
    for epoch in range(3):
        if n_threads > 1:
            trainer.attach(models)
        collect(models, epoch)
        losses.append([float(model.train_step()) for model in models])
    trainer.close()
    return losses, models


@pytest.mark.parametrize("rollout_length", [35, None])
def test_parallel_trainer_equals_sequential_training(rollout_length):
    losses, models = trained(1, rollout_length)
    parallel_losses, parallel_models = trained(2, rollout_length)
    assert parallel_losses == losses
    assert [model.n_updates for model in parallel_models] == [3, 3, 3]
    for one, other in zip(models, parallel_models, strict=True):
        for name, weight in one.state_dict().items():
            assert torch.equal(weight, other.state_dict()[name]), name


def test_parallel_trainer_trains_all_due_models_on_the_first_call():
    models = [small_model("lstm_ppo", seed=seed, rollout_length=35) for seed in range(2)]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    models[0].train_step()
    trainer.close()  # waits for the started updates
    assert [model.n_updates for model in models] == [1, 1]


@pytest.mark.parametrize("rollout_length", [35, None])
def test_parallel_trainer_does_not_start_a_model_in_mid_episode(rollout_length):
    models = [
        small_model("lstm_ppo", seed=seed, rollout_length=rollout_length) for seed in range(2)
    ]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    obs = np.zeros(models[1].layout.size)
    models[1].memory.add(obs, models[1].take_action(obs), 0.0, False)
    models[0].train_step()
    trainer.close()
    assert [model.n_updates for model in models] == [1, 0]
    assert "train_step" not in vars(models[1])


def test_parallel_trainer_raises_an_error_to_the_models_own_caller():
    models = [small_model("lstm_ppo", seed=seed, rollout_length=35) for seed in range(2)]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    models[1].learner.rng = None  # breaks its update
    assert float(models[0].train_step()) != 0.0
    with pytest.raises(AttributeError):
        models[1].train_step()
    trainer.close()
