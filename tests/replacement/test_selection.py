"""Which agents are chosen: every mode by hand, its frequencies, and what no rule may ever do."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.replacement.selection import MODES, SelectionRule, select_agents

TENURES = [4, 9, 0, 9, 2]
REWARDS = [[1.0, 1.0, 1.0, 9.0], [5.0] * 9, [], [5.0] * 8 + [6.0], [0.0, 4.0]]


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("first_n", {"count": 2}, (0, 1)),
        ("first_n", {"count": 2, "minimum_tenure": 5}, (1, 3)),
        ("specified_ids", {"agent_ids": [4, 1]}, (1, 4)),
        ("specified_ids", {"agent_ids": [4, 2, 1], "minimum_tenure": 1}, (1, 4)),
        ("oldest", {"count": 1}, (1,)),
        ("oldest", {"count": 3}, (0, 1, 3)),
        # Means of everything completed: 3, 5, none, 5.11, 2.
        ("lowest_reward", {"count": 2}, (0, 4)),
        ("highest_reward", {"count": 1}, (3,)),
        # Means of the last epoch: 9, 5, none, 6, 4.
        ("lowest_reward", {"count": 2, "reward_window": 1}, (1, 4)),
        ("highest_reward", {"count": 2, "reward_window": 1}, (0, 3)),
        ("lowest_reward", {"count": 1, "minimum_tenure": 5}, (1,)),
        # The agent at 2 has completed no epoch and has no rank.
        ("lowest_reward", {"count": 5}, (0, 1, 3, 4)),
        ("probability", {"probability": 1.0}, (0, 1, 2, 3, 4)),
        ("probability", {"probability": 1.0, "minimum_tenure": 3}, (0, 1, 3)),
        ("probability", {"probability": 0.0}, ()),
        ("random", {"count": 5}, (0, 1, 2, 3, 4)),
        ("random_with_tenure", {"count": 2, "minimum_tenure": 9}, (1, 3)),
        ("random_with_tenure", {"count": 2, "minimum_tenure": 10}, ()),
    ],
)
def test_choice_worked_by_hand(mode, options, expected):
    assert select_agents(mode, TENURES, rewards=REWARDS, **options) == expected


def test_ties_go_to_the_lower_index():
    equal = [[2.0]] * 3
    for mode in ("lowest_reward", "highest_reward", "oldest"):
        assert select_agents(mode, [1, 1, 1], rewards=equal, count=1) == (0,)


def test_a_seed_fixes_the_choice_and_seeds_differ():
    choices = [select_agents("random", [0] * 30, count=5, seed=seed) for seed in (1, 1, 2)]
    assert choices[0] == choices[1] != choices[2]


def test_random_chooses_every_pair_equally_often():
    rng = np.random.default_rng(0)
    rule = SelectionRule(mode="random", count=2)
    draws = 6000
    seen = Counter(rule.select([1] * 4, rng) for _ in range(draws))
    assert set(seen) == set(combinations(range(4), 2))
    # Binomial(6000, 1/6): mean 1000, deviation 28.9; five of them.
    assert all(abs(n - draws / 6) < 145 for n in seen.values())


def test_random_with_tenure_is_uniform_over_the_old_enough():
    rng = np.random.default_rng(0)
    rule = SelectionRule(mode="random_with_tenure", count=1, minimum_tenure=2)
    seen = Counter(rule.select(TENURES, rng) for _ in range(4000))
    assert set(seen) == {(0,), (1,), (3,), (4,)}
    # Binomial(4000, 1/4): mean 1000, deviation 27.4; five of them.
    assert all(abs(n - 1000) < 137 for n in seen.values())


def test_probability_chooses_each_agent_independently():
    rng = np.random.default_rng(0)
    rule = SelectionRule(mode="probability", probability=0.3)
    chosen = np.zeros((4000, 3))
    for row in chosen:
        row[list(rule.select([0, 0, 0], rng))] = 1
    # Deviation of a frequency sqrt(0.3 * 0.7 / 4000) = 0.0072, of a correlation 0.0158.
    assert np.allclose(chosen.mean(axis=0), 0.3, atol=0.036)
    assert np.allclose(np.corrcoef(chosen.T), np.eye(3), atol=0.08)


def test_probability_of_an_agent_is_independent_of_other_ages():
    rule = SelectionRule(mode="probability", probability=0.5, minimum_tenure=1)
    for seed in range(20):
        all_old = rule.select([1, 1, 1], np.random.default_rng(seed))
        one_young = rule.select([0, 1, 1], np.random.default_rng(seed))
        assert one_young == tuple(i for i in all_old if i != 0)


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("randon", {"count": 1}, "Did you mean 'random'"),
        ("random", {}, "needs 'count'"),
        ("random", {"count": 0}, "count must be an integer of at least 1"),
        ("random", {"count": True}, "count must be an integer"),
        ("random", {"count": 6}, "count=6 is more than the group's 5 agents"),
        ("random", {"count": 1, "probability": 0.5}, "makes no use of 'probability'"),
        ("random", {"count": 1, "minimum_age": 0.5}, "Did you mean 'minimum_tenure'"),
        ("random", {"count": 1, "minimum_tenure": -1}, "minimum_tenure must be an integer"),
        ("random_with_tenure", {"count": 1}, "minimum_tenure must be an integer of at least 1"),
        ("probability", {"count": 1}, "needs 'probability'"),
        ("probability", {"probability": 1.01}, "at least 0.0 and at most 1.0, not 1.01"),
        ("probability", {"probability": -0.1}, "at least 0.0 and at most 1.0, not -0.1"),
        ("probability", {"probability": float("nan")}, "at least 0.0 and at most 1.0, not nan"),
        ("probability", {"probability": "0.5"}, "at least 0.0 and at most 1.0, not '0.5'"),
        ("specified_ids", {"agent_ids": [0, 5]}, r"names \[5\], but the group's 5 agents are 0"),
        ("specified_ids", {"agent_ids": [-1]}, "at least 0, not -1"),
        ("specified_ids", {"agent_ids": [1, 1]}, "twice"),
        ("specified_ids", {"agent_ids": []}, "agent_ids must be a list of integers"),
        ("specified_ids", {"agent_ids": "01"}, "agent_ids must be a list of integers"),
        ("lowest_reward", {"count": 1, "reward_window": 0}, "reward_window must be"),
    ],
)
def test_bad_rules_are_refused(mode, options, message):
    with pytest.raises(ConfigError, match=message):
        select_agents(mode, TENURES, rewards=REWARDS, **options)


@pytest.mark.parametrize("rewards", [None, [[1.0]], [[1.0], [float("nan")]], [[1.0], []]])
def test_choice_by_reward_needs_the_rewards_of_all_agents(rewards):
    with pytest.raises(ConfigError, match="reward"):
        select_agents("lowest_reward", [1, 1], rewards=rewards, count=1)


@st.composite
def rules(draw):
    """A rule of any mode, for a group of up to 12."""
    mode = draw(st.sampled_from(MODES))
    options: dict = {"minimum_tenure": draw(st.integers(1, 6))}
    if mode == "probability":
        options["probability"] = draw(st.floats(0, 1))
    elif mode == "specified_ids":
        options["agent_ids"] = draw(st.lists(st.integers(0, 11), min_size=1, unique=True))
    else:
        options["count"] = draw(st.integers(1, 12))
    return SelectionRule(mode=mode, **options)


@given(rules(), st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_rules_choose_only_eligible_agents_and_each_once(rule, tenures, seed):
    n_agents = len(tenures)
    assume(rule.count is None or rule.count <= n_agents)
    assume(max(rule.agent_ids or [0]) < n_agents)
    rewards = [[float(i)] * tenure for i, tenure in enumerate(tenures)]
    chosen = rule.select(tenures, np.random.default_rng(seed), rewards)

    assert list(chosen) == sorted(set(chosen))
    assert set(chosen) <= set(range(n_agents))
    assert all(tenures[i] >= rule.minimum_tenure for i in chosen)
    old_enough = sum(tenure >= rule.minimum_tenure for tenure in tenures)
    if rule.count is not None:
        assert len(chosen) == min(rule.count, old_enough)
