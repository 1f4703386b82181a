"""Comparing the agents known with the agents present."""

import pytest

from sorrel_recurrent_ppo.population.agent_changes import AgentChanges, find_changes


class Thing:
    """Compared by identity."""


A, B, C, X, Y = (Thing() for _ in range(5))


def changes(known, present, *, rebuilt=False, ignored=(), models=None):
    model_of = {id(thing): thing for thing in (A, B, C, X, Y)} | (models or {})
    pairs = [[(agent, model_of[id(agent)]) for agent in agents] for agents in (known, present)]
    return find_changes(*pairs, rebuilt=rebuilt, ignored=ignored)


@pytest.mark.parametrize("rebuilt", [True, False])
@pytest.mark.parametrize(
    ("known", "present", "expected"),
    [
        ([A, B], [A, B], AgentChanges()),
        ([A, B, C], [C, A, B], AgentChanges()),
        ([A, B], [A, X], AgentChanges(replaced=[(1, 1)])),
        ([A, B, C], [X, C, A], AgentChanges(replaced=[(1, 0)])),
        ([A, B], [A, X, B], AgentChanges(joined=[1])),
        ([A, B, C], [A, C], AgentChanges(left=[1])),
        ([A, B, C], [A, X], AgentChanges(replaced=[(1, 1)], left=[2])),
    ],
)
def test_changes_where_some_agents_stay(known, present, expected, rebuilt):
    assert changes(known, present, rebuilt=rebuilt) == expected


def test_changes_where_every_agent_is_new_depend_on_whether_they_were_rebuilt():
    assert changes([A, B], [X, Y], rebuilt=True) == AgentChanges(rebound=[(0, 0), (1, 1)])
    assert changes([A, B], [X, Y]) == AgentChanges(replaced=[(0, 0), (1, 1)])
    assert changes([A, B], [X], rebuilt=True) == AgentChanges(rebound=[(0, 0)], left=[1])


def test_changes_follow_a_model_into_a_copy_of_its_agent():
    assert changes([A, B], [A, X], models={id(X): B}) == AgentChanges(rebound=[(1, 1)])


def test_changes_ignore_agents_of_elsewhere():
    assert changes([A, B], [X, Y], ignored=[X, Y], rebuilt=True) == AgentChanges(left=[0, 1])
    assert changes([A, B], [A], ignored=[B]) == AgentChanges()
