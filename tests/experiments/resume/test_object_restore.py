"""Captured state restored into live objects."""

import collections
import dataclasses
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sorrel.entities.basic_entities import Wall

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.resume.object_capture import capture_state
from sorrel_recurrent_ppo.experiments.resume.object_restore import restore_state


@dataclasses.dataclass
class Position:
    row: int
    column: int


class Sensor:
    """An object that a restore may change but not create."""


def saved(**roots):
    """Return the state of the objects after saving and loading it as a checkpoint does."""
    file = io.BytesIO()
    torch.save(capture_state(roots)[0], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def as_version_0_1_0(plain: Any) -> Any:
    """Return the state as version 0.1.0 would have written it."""
    if isinstance(plain, dict):
        kind = {"kind": "again"} if plain.get("kind") == "ref" else {}
        return {key: as_version_0_1_0(value) for key, value in plain.items()} | kind
    if isinstance(plain, list):
        return [as_version_0_1_0(item) for item in plain]
    return plain


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1, "a", None], []),
        ({1, 2}, {3}),
        ({"a": [1], (1, 2): 2.5}, {"b": 0}),
        (collections.OrderedDict(b=1, a=2), collections.OrderedDict()),
        (collections.deque([1, 2, 3], maxlen=3), collections.deque(maxlen=3)),
        (collections.deque([1, 2, 3], maxlen=3), collections.deque(maxlen=2)),
        ((1, [2]), (0, [0])),
        (frozenset({1, 2}), frozenset()),
        (Position(1, 2), None),
        (collections.Counter(a=2), None),
        (collections.OrderedDict(), [1]),
    ],
)
def test_restore_state_restores_containers(before, now):
    world = SimpleNamespace(value=now)
    restore_state({"world": world}, saved(world=SimpleNamespace(value=before)))
    assert world.value == before
    assert type(world.value) is type(before)
    assert getattr(world.value, "maxlen", None) == getattr(before, "maxlen", None)


def test_restore_state_makes_the_default_dictionaries_inside_default_dictionaries():
    def records():
        return collections.defaultdict(lambda: {"n": collections.defaultdict(int)})

    before, now = records(), records()
    before["a"]["n"]["b"] += 1
    restore_state({"records": now}, saved(records=before))
    assert now == before
    assert now["a"]["n"]["c"] == 0


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.array([1.5, np.nan], dtype=np.longdouble),
        np.array([["a", None], [1, 2.5]], dtype=object),
        torch.arange(4.0).reshape(2, 2),
    ],
)
def test_restore_state_fills_arrays_in_place(value):
    current = value.clone() if isinstance(value, torch.Tensor) else value.copy()
    current[...] = 0
    world = SimpleNamespace(value=current)
    restore_state({"world": world}, saved(world=SimpleNamespace(value=value)))
    assert world.value is current
    np.testing.assert_array_equal(current, value)


def test_restore_state_replaces_an_array_of_another_shape():
    world = SimpleNamespace(value=np.zeros(3))
    restore_state({"world": world}, saved(world=SimpleNamespace(value=np.ones(2))))
    assert world.value.tolist() == [1, 1]


def test_restore_state_rejects_a_parameter_of_another_shape():
    state = saved(layer=torch.nn.Linear(2, 3))
    with pytest.raises(CheckpointError, match=r"layer.*expected shape \(3, 2\) .* found \(3, 4\)"):
        restore_state({"layer": torch.nn.Linear(4, 3)}, state)


@pytest.mark.parametrize("version_0_1_0", [False, True])
def test_restore_state_restores_shared_objects(version_0_1_0):
    shared = [1, 2]
    state = saved(one=SimpleNamespace(items=shared), two=SimpleNamespace(items=shared))
    if version_0_1_0:
        state = as_version_0_1_0(state)
        assert "'again'" in str(state)
        assert "'ref'" not in str(state)
    one, two = SimpleNamespace(items=[0]), SimpleNamespace(items=[0])
    restore_state({"one": one, "two": two}, state)
    assert one.items == [1, 2]
    assert two.items is one.items


def test_restore_state_separates_objects_that_are_shared_now():
    state = saved(one=SimpleNamespace(items=[1]), two=SimpleNamespace(items=[2]))
    shared = [0]
    one, two = SimpleNamespace(items=shared), SimpleNamespace(items=shared)
    restore_state({"one": one, "two": two}, state)
    assert (one.items, two.items) == ([1], [2])


def test_restore_state_adds_and_removes_attributes():
    world = SimpleNamespace(weather="rain", clock=print)
    restore_state({"world": world}, saved(world=SimpleNamespace(season=3, clock=len)))
    assert vars(world) == {"season": 3, "clock": print}


def test_restore_state_creates_entities():
    wall = Wall()
    wall.location = (1, 2, 0)
    world = SimpleNamespace(entities=[])
    restore_state({"world": world}, saved(world=SimpleNamespace(entities=[wall])))
    (restored,) = world.entities
    assert type(restored) is Wall
    assert restored.location == (1, 2, 0)


@pytest.mark.parametrize(("current", "found"), [(None, "nothing"), (Position(1, 2), "Position")])
def test_restore_state_creates_no_other_objects(current, found):
    state = saved(world=SimpleNamespace(sensor=Sensor()))
    message = rf"world\.sensor .*expected .*:Sensor \(from the run's state\), found {found}"
    with pytest.raises(CheckpointError, match=message):
        restore_state({"world": SimpleNamespace(sensor=current)}, state)


def test_restore_state_keeps_a_value_that_was_left_out():
    iterator = iter([1, 2])
    world = SimpleNamespace(sound=iterator)
    restore_state({"world": world}, saved(world=SimpleNamespace(sound=iter([3]))))
    assert world.sound is iterator
