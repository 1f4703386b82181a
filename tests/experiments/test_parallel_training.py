"""Training side by side: the same numbers as one after another, and every model trained once."""

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.experiments.parallel_training import ParallelTrainer
from support.small_models import small_model


def collect(models, epoch):
    """Let every model play an epoch of the same observations."""
    rng = np.random.default_rng(epoch)
    for model in models:
        model.start_epoch_action(epoch=epoch)
    for obs in rng.normal(size=(40, models[0].layout.size)):
        for model in models:
            model.memory.add(obs, model.take_action(obs), float(obs[0]), False)
    for model in models:
        model.end_epoch_action(epoch=epoch)


def trained(n_threads):
    """Return the losses of three epochs and the models after them."""
    models = [
        small_model(name, seed=seed, rollout_length=35)
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


def test_equals_one_after_another_bit_for_bit():
    losses, models = trained(n_threads=1)
    losses_beside, models_beside = trained(n_threads=2)
    assert losses_beside == losses
    assert [model.n_updates for model in models_beside] == [3, 3, 3]
    for one, other in zip(models, models_beside, strict=True):
        for name, weight in one.state_dict().items():
            assert torch.equal(weight, other.state_dict()[name]), name


def test_the_first_one_asked_trains_all_that_are_due():
    models = [small_model("lstm_ppo", seed=seed, rollout_length=35) for seed in range(2)]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    models[0].train_step()
    trainer.close()  # waits for what was begun
    assert [model.n_updates for model in models] == [1, 1]


def test_a_model_in_the_middle_of_its_episode_is_left_alone_until_it_is_asked():
    models = [small_model("lstm_ppo", seed=seed, rollout_length=35) for seed in range(2)]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    obs = np.zeros(models[1].layout.size)
    models[1].memory.add(obs, models[1].take_action(obs), 0.0, False)
    models[0].train_step()
    trainer.close()
    assert [model.n_updates for model in models] == [1, 0]
    assert "train_step" not in vars(models[1])


def test_an_error_of_one_model_reaches_its_own_caller():
    models = [small_model("lstm_ppo", seed=seed, rollout_length=35) for seed in range(2)]
    trainer = ParallelTrainer(2)
    trainer.attach(models)
    collect(models, 0)
    models[1].learner.rng = None  # breaks its update
    assert float(models[0].train_step()) != 0.0
    with pytest.raises(AttributeError):
        models[1].train_step()
    trainer.close()
