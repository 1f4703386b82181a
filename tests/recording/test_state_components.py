"""Principal components of hidden states, and the order of their units."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.recording.state_components import principal_components, unit_order


def test_principal_components_are_the_directions_of_most_variance():
    t = np.array([-3.0, -1.0, 1.0, 3.0])
    states = np.stack([5 + 4 * t, -3 * t, np.array([1.0, -1.0, -1.0, 1.0])], axis=1)
    found = principal_components(states)
    np.testing.assert_allclose(found.loadings[0], [0.8, -0.6, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.loadings[1], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(found.scores[:, 0], 5 * t)
    np.testing.assert_allclose(found.explained, [500 / 504, 4 / 504])


@pytest.mark.parametrize("states", [np.ones((5, 3)), np.ones((1, 3)), np.zeros((4, 1))])
def test_principal_components_of_constant_states_are_zero(states):
    found = principal_components(states)
    assert not found.scores.any()
    assert not found.explained.any()
    assert sorted(unit_order(states)) == list(range(states.shape[1]))


def test_unit_order_puts_correlated_units_together_and_constant_ones_last():
    t = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    units = [np.sin(t), np.full(50, 2.0), np.cos(t), 3 * np.sin(t), 0.1 * np.cos(t)]
    order = unit_order(np.stack(units, axis=1)).tolist()
    assert order[-1] == 1
    assert {frozenset(order[:2]), frozenset(order[2:4])} == {frozenset({0, 3}), frozenset({2, 4})}
