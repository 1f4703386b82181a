"""Recorded states with given values."""

import numpy as np

from sorrel_recurrent_ppo.recording.recorded_states import PER_STEP, RecordedStates, Subject


def small_states(observations, picture=(), channels=(), **steps):
    """Return states with given observations, and zeros for all arrays not in ``steps``."""
    n = len(observations)
    arrays = {name: np.zeros(n, int) for name in PER_STEP} | steps
    arrays["observations"] = np.array(observations, np.float32)
    subject = Subject("0", "lstm_ppo", picture, channels, ("up", "down"), (2, 3))
    return RecordedStates(subject, arrays)
