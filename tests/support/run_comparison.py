"""Comparison of the files of two runs, bit for bit."""

from typing import Any

import torch

from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from support.small_runs import without_times


def plain(value: Any) -> Any:
    """Return a run's state in a form that ``==`` compares bit for bit."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key != "seconds"}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, torch.Tensor):
        return str(value.dtype), list(value.shape), value.numpy().tobytes()
    return value


def state_of(files):
    state = read_run_state(files)
    assert state is not None
    return plain(state)


def assert_same_runs(files, others):
    assert without_times(files.metrics) == without_times(others.metrics)
    assert without_times(files.agents) == without_times(others.agents)
    state, expected = state_of(files), state_of(others)
    for key in expected:
        assert state[key] == expected[key], key
    names = [path.name for path in sorted(others.checkpoints.iterdir())]
    assert [path.name for path in sorted(files.checkpoints.iterdir())] == names
    for name in names:
        saved, other = (
            torch.load(f.checkpoints / name, weights_only=True) for f in (files, others)
        )
        assert plain(saved) == plain(other)
