"""Labels and axes in the plots of recorded states."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from sorrel_recurrent_ppo.recording.state_plots import action_labels, draw_rewards_and_values
from support.small_states import small_states


def test_action_labels_are_names_or_branches():
    states = small_states(np.zeros((3, 1)), (), actions=np.array([1, 5, 5]))
    assert action_labels(states) == {1: "down", 5: "1, 2"}


@pytest.mark.parametrize("scaled", [True, False])
def test_values_of_scaled_rewards_have_an_axis_of_their_own(scaled):
    figure = Figure()
    values = np.array([0.5, 0.7])
    states = small_states(np.zeros((2, 1)), values=values, reward_scaling=scaled)
    draw_rewards_and_values(figure.subplots(), states)
    axes = figure.axes
    assert len(axes) == (2 if scaled else 1)
    (line,) = [line for line in axes[-1].lines if line.get_label() == "value"]
    np.testing.assert_array_equal(line.get_ydata(), values)
    assert ("scaled rewards" in axes[-1].get_ylabel()) == scaled
