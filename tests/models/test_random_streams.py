"""Random streams of models: reproducible, and independent of the global streams."""

import copy

import numpy as np
import pytest

from support.random_streams import (
    assert_same_training,
    draw_from_global_streams,
    global_states,
    train_briefly,
)
from support.small_models import MODELS, play, same_weights, small_model, weights

both = pytest.mark.parametrize("name", MODELS)


@both
@pytest.mark.parametrize("seed", [None, 3])
def test_model_leaves_the_global_streams_untouched(name, seed, tmp_path):
    before = global_states()
    model = small_model(name, seed=seed)
    play(model, 31, dones=[11])
    model.end_epoch_action(epoch=0)
    model.train_step()
    assert model.n_updates == 1
    model.save(tmp_path / "model.pt")
    model.load(tmp_path / "model.pt")
    model.eval()
    play(model, 3)
    model.get_action(np.zeros(7, np.float32))
    copy.deepcopy(model)
    assert global_states() == before


@both
def test_training_with_the_same_seed_is_the_same_bit_for_bit(name):
    one = train_briefly(small_model(name, seed=5))
    draw_from_global_streams()
    assert_same_training(train_briefly(small_model(name, seed=5)), one)


def test_training_with_another_seed_differs():
    one, other = (train_briefly(small_model("lstm_ppo", seed=seed)) for seed in (5, 6))
    assert one[0] != other[0]
    assert not same_weights(one[2], other[2])


def test_model_without_a_seed_gets_a_fresh_one():
    one, other = small_model("lstm_ppo", seed=None), small_model("lstm_ppo", seed=None)
    assert one.seed != other.seed
    assert not same_weights(weights(one), weights(other))


@both
def test_models_with_interleaved_steps_do_not_affect_each_other(name):
    alone = [train_briefly(small_model(name, seed=seed)) for seed in (5, 6)]
    models = [small_model(name, seed=seed) for seed in (5, 6)]
    actions: list[list[int]] = [[], []]
    for epoch in range(3):
        for model in models:
            model.start_epoch_action(epoch=epoch)
        streams = [np.random.default_rng(epoch) for _ in models]
        for t in range(31):
            for model, taken, rng in zip(models, actions, streams, strict=True):
                obs = rng.normal(size=7).astype(np.float32)
                taken.append(model.take_action(obs))
                model.memory.add(obs, taken[-1], float(rng.normal()), t == 11)
        for model in models:
            model.end_epoch_action(epoch=epoch)
            model.train_step()
    for model, taken, expected in zip(models, actions, alone, strict=True):
        assert_same_training((taken, model.diagnostics, weights(model)), expected)
