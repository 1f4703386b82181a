"""Seeds, generators, and the states of the global random streams."""

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.support.randomness import (
    derive_seed,
    fresh_seed,
    generator_from_state,
    untouched_random_state,
)
from support.random_streams import draw_from_global_streams, global_states


def test_untouched_random_state_restores_the_global_streams():
    before = global_states()
    with untouched_random_state():
        draw_from_global_streams()
        torch.manual_seed(5)
        assert global_states() != before
    assert global_states() == before


def test_untouched_random_state_restores_the_global_streams_after_an_error():
    def fail():
        with untouched_random_state():
            draw_from_global_streams()
            raise ZeroDivisionError

    before = global_states()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert global_states() == before


def test_derive_seed_depends_on_every_key_and_their_order():
    seeds = {derive_seed(*keys) for keys in [(0, 0), (0, 1), (1, 0), (1, 1), (2**63, 0), (5, 7)]}
    assert len(seeds) == 6
    assert derive_seed(7, 3) == derive_seed(7, 3)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_fresh_seed_differs_and_draws_nothing():
    before = global_states()
    assert len({fresh_seed() for _ in range(7)}) == 7
    assert global_states() == before


def test_generator_from_state_continues_the_stream():
    generator = np.random.default_rng(3)
    generator.random(5)
    twin = generator_from_state(dict(generator.bit_generator.state))
    assert twin.random(5).tolist() == generator.random(5).tolist()
