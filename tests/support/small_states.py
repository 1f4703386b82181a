"""Recorded states with given values."""

from dataclasses import fields

import numpy as np

from sorrel_recurrent_ppo.recording.recorded_states import PER_STEP, RecordedStates, Subject

_FIELDS = {field.name for field in fields(Subject)}


def small_states(observations, picture=(), channels=(), **given):
    """Return states with given observations, and zeros for all arrays that are not given."""
    n = len(observations)
    steps = {name: value for name, value in given.items() if name not in _FIELDS}
    arrays = {name: np.zeros(n, int) for name in PER_STEP} | steps
    arrays["observations"] = np.array(observations, np.float32)
    described = {name: value for name, value in given.items() if name in _FIELDS}
    subject = Subject("0", "lstm_ppo", picture, channels, ("up", "down"), (2, 3), **described)
    return RecordedStates(subject, arrays)
