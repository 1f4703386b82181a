"""Labels in the plots of recorded states."""

import numpy as np

from sorrel_recurrent_ppo.recording.state_plots import action_labels
from support.small_states import small_states


def test_action_labels_are_names_or_branches():
    states = small_states(np.zeros((3, 1)), (), actions=np.array([1, 5, 5]))
    assert action_labels(states) == {1: "down", 5: "1, 2"}
