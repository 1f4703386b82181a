"""Bootstrapped values, generalized advantages and explained variance, against hand calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorrel_recurrent_ppo.learning.advantages import (
    bootstrap_values,
    explained_variance,
    generalized_advantages,
)

# An episode of two steps that ends by done, and the first two steps of one that is cut off.
REWARDS = np.array([1.0, 2.0, 3.0, 5.0], np.float32)
VALUES = np.array([2.0, 4.0, 6.0, 8.0], np.float32)
DONES = np.array([False, True, False, False])
ENDS = np.array([False, True, False, True])


def advantages(*, truncate=True, gamma=0.5, gae_lambda=0.5, dones=DONES, ends=ENDS):
    following = bootstrap_values(VALUES, dones, ends, truncate=truncate)
    return generalized_advantages(
        REWARDS, VALUES, following, ends, gamma=gamma, gae_lambda=gae_lambda
    ).tolist()


@pytest.mark.parametrize(("truncate", "last"), [(True, 8.0), (False, 0.0)])
def test_bootstrap_values_at_every_kind_of_step(truncate, last):
    # Within an episode the next value, after done 0, after the cut the last value or 0.
    assert bootstrap_values(VALUES, DONES, ENDS, truncate=truncate).tolist() == [4, 0, 6 + 2, last]


def test_bootstrap_values_are_0_after_done_despite_truncation():
    ended = np.array([False, True, False, True])
    assert bootstrap_values(VALUES, ended, ENDS, truncate=True).tolist() == [4, 0, 8, 0]


def test_generalized_advantages_with_a_truncation():
    # delta = r + 0.5 V' - V:  1+2-2 = 1;  2+0-4 = -2;  3+4-6 = 1;  5+4-8 = 1
    # A = delta + 0.25 A':     A3 = 1;  A2 = 1+0.25 = 1.25;  A1 = -2;  A0 = 1-0.5 = 0.5
    assert advantages() == [0.5, -2.0, 1.25, 1.0]


def test_generalized_advantages_with_a_terminal():
    # The last delta becomes 5+0-8 = -3, so A3 = -3 and A2 = 1-0.75 = 0.25.
    assert advantages(truncate=False) == [0.5, -2.0, 0.25, -3.0]


def test_generalized_advantages_with_lambda_0_are_one_step_errors():
    assert advantages(gae_lambda=0.0) == [1.0, -2.0, 1.0, 1.0]


def test_generalized_advantages_with_lambda_1_are_returns_minus_values():
    # Returns: 1+0.5*2 = 2;  2;  3+0.5*5+0.25*8 = 7.5;  5+0.5*8 = 9
    assert advantages(gae_lambda=1.0) == [2.0 - 2.0, 2.0 - 4.0, 7.5 - 6.0, 9.0 - 8.0]


def test_generalized_advantages_with_gamma_0_use_only_the_reward():
    assert advantages(gamma=0.0) == (REWARDS - VALUES).tolist()


@given(
    steps=st.lists(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from(["", "done", "cut"])),
        min_size=1,
        max_size=13,
    ),
    gamma=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    gae_lambda=st.sampled_from([0.0, 0.3, 1.0]),
    truncate=st.booleans(),
)
def test_generalized_advantages_equal_the_defining_sum(steps, gamma, gae_lambda, truncate):
    rewards, values = (np.array([s[k] for s in steps], np.float32) for k in (0, 1))
    dones = np.array([s[2] == "done" for s in steps])
    ends = np.array([s[2] != "" for s in steps])
    ends[-1] = True

    def delta(t):
        if dones[t]:
            following = 0.0
        elif ends[t]:
            following = values[t] if truncate else 0.0
        else:
            following = values[t + 1]
        return rewards[t] + gamma * following - values[t]

    def advantage(t):
        last = next(u for u in range(t, len(steps)) if ends[u])
        return sum((gamma * gae_lambda) ** (u - t) * delta(u) for u in range(t, last + 1))

    computed = generalized_advantages(
        rewards,
        values,
        bootstrap_values(values, dones, ends, truncate=truncate),
        ends,
        gamma=gamma,
        gae_lambda=gae_lambda,
    )
    assert computed.dtype == np.float32
    np.testing.assert_allclose(computed, [advantage(t) for t in range(len(steps))], atol=1e-4)


@pytest.mark.parametrize(
    ("values", "returns", "expected"),
    [
        ([1.0, 5.0], [1.0, 5.0], 1.0),
        ([3.0, 3.0], [1.0, 5.0], 0.0),
        ([0.0, 1.0], [0.0, 2.0], 0.75),  # 1 - Var(0, 1) / Var(0, 2) = 1 - 0.25 / 1
        ([5.0, 1.0], [1.0, 5.0], -3.0),  # 1 - Var(-4, 4) / Var(1, 5) = 1 - 16 / 4
        ([1.0, 2.0], [3.0, 3.0], 0.0),
    ],
)
def test_explained_variance(values, returns, expected):
    assert explained_variance(np.array(values), np.array(returns)) == pytest.approx(expected)
