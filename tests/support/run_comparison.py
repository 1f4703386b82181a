"""Comparison of the files of two runs, bit for bit."""

from collections.abc import Iterator
from typing import Any

import torch

from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from support.small_runs import without_times

# Wall times differ between runs, and with them the size of metrics.csv.
OF_TIMES = ("seconds", "size")


def plain(value: Any) -> Any:
    """Return a run's state in a form that ``==`` compares bit for bit."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key not in OF_TIMES}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, torch.Tensor):
        return str(value.dtype), list(value.shape), value.cpu().numpy().tobytes()
    return value


def differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two plain values differ."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        for key in expected:
            yield from differences(found[key], expected[key], f"{path}.{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for k, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{path}[{k}]")
    elif found != expected:
        yield path


def state_of(files):
    state = read_run_state(files)
    assert state is not None
    return plain(state)


def assert_same_runs(files, others):
    assert without_times(files.metrics) == without_times(others.metrics)
    assert without_times(files.agents) == without_times(others.agents)
    state, expected = state_of(files), state_of(others)
    assert [*differences(state, expected)] == []
    names = [path.name for path in sorted(others.checkpoints.iterdir())]
    assert [path.name for path in sorted(files.checkpoints.iterdir())] == names
    for name in names:
        saved, other = (
            torch.load(f.checkpoints / name, weights_only=True) for f in (files, others)
        )
        assert plain(saved) == plain(other)
