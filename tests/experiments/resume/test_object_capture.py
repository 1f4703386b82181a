"""Plain data captured from live objects."""

from types import SimpleNamespace

import torch

from sorrel_recurrent_ppo.experiments.resume.object_capture import capture_state
from sorrel_recurrent_ppo.experiments.resume.plain_values import UNCHANGED
from sorrel_recurrent_ppo.support.instance_overrides import override


def test_capture_state_captures_a_repeated_object_once():
    shared = [1]
    plain, _ = capture_state({"one": SimpleNamespace(items=shared), "two": [shared]})
    captured = plain["one"]["attributes"]["items"]
    assert captured["items"] == [1]
    assert plain["two"]["items"] == [{"kind": "ref", "number": captured["number"]}]


def test_capture_state_captures_an_object_that_contains_itself():
    world = SimpleNamespace()
    world.map = {"owner": world}
    plain, _ = capture_state({"world": world})
    (pair,) = plain["world"]["attributes"]["map"]["items"]
    assert pair == ["owner", {"kind": "ref", "number": plain["world"]["number"]}]


def test_capture_state_copies_arrays():
    weights = torch.zeros(2)
    plain, _ = capture_state({"weights": weights})
    weights += 1
    assert plain["weights"]["data"].tolist() == [0, 0]


def test_capture_state_leaves_code_and_overrides_unchanged():
    agent = SimpleNamespace(act=len, kind=SimpleNamespace)
    override(agent, "reset", print)
    plain, left_out = capture_state({"agent": agent})
    assert plain["agent"]["attributes"] == {"act": UNCHANGED, "kind": UNCHANGED, "reset": UNCHANGED}
    assert left_out == []


def test_capture_state_reports_the_path_of_a_value_without_plain_form():
    world = SimpleNamespace(sounds=[iter([1])])
    plain, left_out = capture_state({"world": world})
    assert left_out == ["world.sounds[0] (list_iterator)"]
    (left,) = plain["world"]["attributes"]["sounds"]["items"]
    assert left["kind"] == UNCHANGED["kind"]
