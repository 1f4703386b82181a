"""Joint actions: flat indices, branches and the check of ``action_dims``."""

import itertools
import math

import numpy as np
import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.policy.actions import flatten_action, split_actions, validate_action_dims

DIMS = [(7,), (3, 2), (2, 3), (5, 3, 2), (2, 1, 3), (2, 3, 2, 5)]


@pytest.mark.parametrize("dims", DIMS)
def test_flat_index_varies_fastest_in_the_last_branch(dims):
    in_order = list(itertools.product(*(range(size) for size in dims)))
    assert [flatten_action(branches, dims) for branches in in_order] == list(range(len(in_order)))
    assert split_actions(np.arange(math.prod(dims)), dims).tolist() == [list(b) for b in in_order]


def test_flat_index_of_move_and_vote_matches_hand_computation():
    assert flatten_action((2, 1), (5, 3)) == 2 * 3 + 1
    assert flatten_action((1, 2, 0), (2, 3, 5)) == (1 * 3 + 2) * 5 + 0
    assert split_actions(np.array([7, 14, 0]), (5, 3)).tolist() == [[2, 1], [4, 2], [0, 0]]


def test_flatten_action_requires_one_choice_per_branch():
    with pytest.raises(ValueError, match="zip"):
        flatten_action((1, 2), (2, 3, 5))


@pytest.mark.parametrize("dims", DIMS)
def test_validate_action_dims_accepts_matching_product(dims):
    assert validate_action_dims(list(dims), math.prod(dims)) == dims


@pytest.mark.parametrize(
    ("dims", "action_space", "message"),
    [
        ([3, 2], 7, r"action_dims=\[3, 2\] make 6 joint actions.* has 7"),
        ([5], 6, "make 5 joint actions"),
        ([], 1, r"action_dims must be a list of integers, not \[\]"),
        ([3, 0], 0, "integer of at least 1, not 0"),
        ([-3, -2], 6, "integer of at least 1, not -3"),
        ([2.0, 3], 6, "must be an integer"),
        ([True, 6], 6, "must be an integer"),
        ("32", 6, "list of integers, not '32'"),
        (6, 6, "list of integers, not 6"),
    ],
)
def test_validate_action_dims_rejects_invalid_sizes(dims, action_space, message):
    with pytest.raises(ConfigError, match=message):
        validate_action_dims(dims, action_space)
