import copy

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.support.randomness import (
    derive_seed,
    fresh_seed,
    generator_from_state,
    untouched_random_state,
)
from support.random_streams import assert_same_life, draw_from_global_streams, global_states, live
from support.small_models import MODELS, play, same_weights, small_model, weights

both = pytest.mark.parametrize("name", MODELS)


def test_a_block_leaves_the_global_streams_as_they_were():
    before = global_states()
    with untouched_random_state():
        draw_from_global_streams()
        torch.manual_seed(5)
        assert global_states() != before
    assert global_states() == before


def test_a_block_that_fails_leaves_them_too():
    def fail():
        with untouched_random_state():
            draw_from_global_streams()
            raise ZeroDivisionError

    before = global_states()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert global_states() == before


def test_derived_seeds_depend_on_every_key_and_their_order():
    seeds = {derive_seed(*keys) for keys in [(0, 0), (0, 1), (1, 0), (1, 1), (2**63, 0), (5, 7)]}
    assert len(seeds) == 6
    assert derive_seed(7, 3) == derive_seed(7, 3)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_fresh_seeds_differ_and_draw_nothing():
    before = global_states()
    assert len({fresh_seed() for _ in range(7)}) == 7
    assert global_states() == before


def test_a_generator_goes_on_from_its_state():
    generator = np.random.default_rng(3)
    generator.random(5)
    twin = generator_from_state(dict(generator.bit_generator.state))
    assert twin.random(5).tolist() == generator.random(5).tolist()


@both
@pytest.mark.parametrize("seed", [None, 3])
def test_a_models_whole_life_leaves_the_global_streams_alone(name, seed, tmp_path):
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
def test_the_same_seed_is_the_same_life_bit_for_bit(name):
    one = live(small_model(name, seed=5))
    draw_from_global_streams()
    assert_same_life(live(small_model(name, seed=5)), one)


@both
def test_another_seed_is_another_life(name):
    one, other = live(small_model(name, seed=5)), live(small_model(name, seed=6))
    assert one[0] != other[0]
    assert not same_weights(one[2], other[2])


@both
def test_no_seed_is_a_new_one_each_time(name):
    one, other = small_model(name, seed=None), small_model(name, seed=None)
    assert one.seed != other.seed
    assert not same_weights(weights(one), weights(other))


@both
def test_models_side_by_side_do_not_disturb_each_other(name):
    alone = [live(small_model(name, seed=seed)) for seed in (5, 6)]
    models = [small_model(name, seed=seed) for seed in (5, 6)]
    actions: list[list[int]] = [[], []]
    for epoch in range(3):
        for model in models:
            model.start_epoch_action(epoch=epoch)
        streams = [np.random.default_rng(epoch) for _ in models]
        for t in range(31):  # step by step, in turn
            for model, taken, rng in zip(models, actions, streams, strict=True):
                obs = rng.normal(size=7).astype(np.float32)
                taken.append(model.take_action(obs))
                model.memory.add(obs, taken[-1], float(rng.normal()), t == 11)
        for model in models:
            model.end_epoch_action(epoch=epoch)
            model.train_step()
    for model, taken, life in zip(models, actions, alone, strict=True):
        assert_same_life((taken, model.diagnostics, weights(model)), life)
