"""Cutting a rollout into sequences, burn-in, minibatches and padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorrel_recurrent_ppo.learning.sequences import (
    burn_in_starts,
    cut_sequences,
    fill_minibatches,
    pad_sequences,
)


def at(*steps, of):
    """Return flags that are set at the given steps."""
    flags = np.zeros(of, bool)
    flags[list(steps)] = True
    return flags


def cut(episode_starts, sequence_length):
    starts, lengths = cut_sequences(episode_starts, sequence_length)
    return list(zip(starts.tolist(), lengths.tolist(), strict=True))


@pytest.mark.parametrize(
    ("episode_starts", "sequence_length", "expected"),
    [
        (at(0, of=7), 7, [(0, 7)]),
        (at(0, of=7), 100, [(0, 7)]),
        (at(0, of=7), 3, [(0, 3), (3, 2), (5, 2)]),  # not 3, 3, 1
        (at(0, of=7), 4, [(0, 4), (4, 3)]),
        (at(0, 3, 4, of=7), 2, [(0, 2), (2, 1), (3, 1), (4, 2), (6, 1)]),
        (at(0, 3, 4, of=7), 7, [(0, 3), (3, 1), (4, 3)]),
        (at(2, of=7), 5, [(0, 2), (2, 5)]),  # the rollout starts within an episode
        (at(of=5), 3, [(0, 3), (3, 2)]),
        (at(0, 6, of=7), 6, [(0, 6), (6, 1)]),
        (at(0, of=1), 1, [(0, 1)]),
        (at(0, 1, 2, of=3), 5, [(0, 1), (1, 1), (2, 1)]),
        (at(0, of=3), 1, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_cut_sequences_of_small_rollouts(episode_starts, sequence_length, expected):
    assert cut(episode_starts, sequence_length) == expected


episodes = st.lists(st.booleans(), min_size=1, max_size=41).map(np.array)


@given(episode_starts=episodes, sequence_length=st.integers(1, 13))
def test_cut_sequences_covers_every_step_once_and_crosses_no_episode_start(
    episode_starts, sequence_length
):
    sequences = cut(episode_starts, sequence_length)
    steps = [range(start, start + length) for start, length in sequences]
    assert [t for sequence in steps for t in sequence] == list(range(len(episode_starts)))
    assert not any(episode_starts[t] for sequence in steps for t in sequence[1:])

    episode = np.cumsum(episode_starts)
    for number in set(episode.tolist()):
        lengths = [len(s) for s in steps if episode[s[0]] == number]
        assert max(lengths) <= sequence_length
        assert max(lengths) - min(lengths) <= 1
        assert len(lengths) == -(-sum(lengths) // sequence_length)


@pytest.mark.parametrize(
    ("starts", "burn_in", "expected"),
    [
        ([0, 2, 4, 6], 0, [0, 2, 4, 6]),
        ([0, 2, 4, 6], 1, [0, 1, 4, 5]),
        ([0, 2, 4, 6], 2, [0, 0, 4, 4]),
        ([0, 2, 4, 6], 9, [0, 0, 4, 4]),
    ],
)
def test_burn_in_starts_are_within_the_episode(starts, burn_in, expected):
    computed = burn_in_starts(np.array(starts), at(0, 4, of=8), burn_in)
    assert computed.tolist() == expected


def test_burn_in_starts_of_a_rollout_that_starts_within_an_episode():
    assert burn_in_starts(np.array([0, 3, 5]), at(4, of=7), 2).tolist() == [0, 1, 4]


def test_fill_minibatches_of_equal_sequences_are_equal():
    groups = fill_minibatches(np.full(12, 5), 20, np.random.default_rng(1))
    assert [len(group) for group in groups] == [4, 4, 4]


@pytest.mark.parametrize(
    ("lengths", "batch_size", "n_groups"),
    [
        ([7], 100, 1),
        ([7], 1, 1),  # a sequence is never cut
        ([3, 3], 3, 2),
        ([3] * 10, 11, 3),  # 30 / 11 = 2.7
        ([3] * 10, 13, 2),  # 30 / 13 = 2.3
        ([1] * 7, 1, 7),
    ],
)
def test_fill_minibatches_returns_the_rounded_number(lengths, batch_size, n_groups):
    groups = fill_minibatches(np.array(lengths), batch_size, np.random.default_rng(1))
    assert len(groups) == n_groups


@given(
    lengths=st.lists(st.integers(1, 13), min_size=1, max_size=37).map(np.array),
    batch_size=st.integers(1, 61),
    seed=st.integers(0, 9),
)
def test_fill_minibatches_covers_every_sequence_once_in_equal_shares(lengths, batch_size, seed):
    groups = fill_minibatches(lengths, batch_size, np.random.default_rng(seed))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(len(group) for group in groups)
    share = lengths.sum() / max(1, round(lengths.sum() / batch_size))
    for group in groups:
        assert abs(lengths[group].sum() - share) < lengths.max() + 1e-9


def test_fill_minibatches_shuffles_at_every_call():
    rng = np.random.default_rng(5)
    lengths = np.full(23, 2)
    passes = [np.concatenate(fill_minibatches(lengths, 6, rng)).tolist() for _ in range(3)]
    assert passes[0] != list(range(23))
    assert passes[0] != passes[1] != passes[2]


def test_pad_sequences_of_different_lengths():
    # Columns are the sequences 4,5,6 | 0,1 | 9; steps and positions follow the rows of
    #   4 0 9
    #   5 1 .
    #   6 . .
    grid = pad_sequences(np.array([4, 0, 9]), np.array([3, 2, 1]))
    assert grid.steps.tolist() == [4, 0, 9, 5, 1, 6]
    assert grid.positions.tolist() == [0, 1, 2, 3, 4, 6]
    assert grid.n_steps == 3


def test_pad_sequences_of_equal_lengths_has_all_positions():
    grid = pad_sequences(np.array([7, 0, 3]), np.array([2, 2, 2]))
    assert grid.steps.tolist() == [7, 0, 3, 8, 1, 4]
    assert grid.positions.tolist() == list(range(6))


def test_pad_sequences_of_single_steps_has_one_row():
    grid = pad_sequences(np.array([5, 2]), np.array([1, 1]))
    assert (grid.steps.tolist(), grid.positions.tolist()) == ([5, 2], [0, 1])
    assert grid.n_steps == 1
