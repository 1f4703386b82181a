"""Pictures of the world equal Sorrel's, bit for bit, for usual and unusual worlds."""

from collections import defaultdict
from importlib import import_module

import numpy as np
import pytest
from sorrel.entities import Entity
from sorrel.observation.observation_spec import OneHotObservationSpec, RGBObservationSpec

from sorrel_recurrent_ppo.acceleration.one_hot import one_hot_builder
from sorrel_recurrent_ppo.acceleration.switch import accelerated
from support.sorrel_examples import make_environment

KINDS = ["EmptyEntity", "Wall", "Gem", "Agent"]
original = import_module("sorrel.observation.visual_field")._build_one_hot


class OwnArray(np.ndarray):
    pass


def refuse(*arguments):
    raise AssertionError("Sorrel's function is called")


def region(*shape, seed=0):
    rng = np.random.default_rng(seed)
    cells = np.empty(shape, object)
    for index in np.ndindex(shape):
        entity = cells[index] = Entity()
        entity.kind = KINDS[rng.integers(len(KINDS))]
    return cells


def appearances(make):
    return {kind: make(i) for i, kind in enumerate(KINDS)}


ONE_HOT = OneHotObservationSpec(KINDS, full_view=False, vision_radius=1).entity_map
COLOURS = RGBObservationSpec(KINDS, full_view=False, vision_radius=1).entity_map
ORDINARY = {
    "one-hot": ONE_HOT,
    "colours": COLOURS,
    "whole": appearances(lambda i: np.array([i, 3 * i], np.int32)),
    "fractions": appearances(lambda i: np.array([0.1 * i, 0.7, 1e-9])),
    "random": appearances(lambda i: np.random.default_rng(i).normal(size=5)),
    "halves": appearances(lambda i: np.array([0.5 * i, 0.1, 1.0, 2.0])),
    "negative zeros": appearances(lambda i: np.array([-0.0, 0.0 if i else -0.0])),
    "huge": appearances(lambda i: np.array([2.0**53 if i == 1 else 1.0, 1.0 + 2 * i])),
    "not finite": appearances(lambda i: np.array([np.inf, np.nan if i == 1 else 1.0])),
    "flags": appearances(lambda i: np.array([i > 1, True])),
    "more kinds": {**ONE_HOT, "Dragon": np.ones(len(KINDS))},
}


def assert_same_bits(found, expected):
    assert type(found) is type(expected)
    assert (found.dtype, found.shape, found.strides) == (
        expected.dtype,
        expected.shape,
        expected.strides,
    )
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shape", [(5, 5, 1), (5, 6, 2), (4, 3, 3), (3, 4, 9), (1, 1, 12)])
@pytest.mark.parametrize("entity_map", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_pictures_are_built_without_sorrel_and_equal(entity_map, shape):
    n = len(next(iter(entity_map.values())))
    for seed in range(4):
        cells = region(*shape, seed=seed)
        found = one_hot_builder(refuse)(cells, entity_map, n)
        assert_same_bits(found, original(cells, entity_map, n))


def test_windows_of_a_larger_map_are_equal():
    cells = region(8, 9, 3)[2:7, 3:9]
    found = one_hot_builder(refuse)(cells, ONE_HOT, 4)
    assert_same_bits(found, original(cells, ONE_HOT, 4))


UNUSUAL = {
    "columns first": (np.asfortranarray(region(4, 5, 2)), ONE_HOT),
    "transposed": (region(2, 5, 4).T, ORDINARY["halves"]),
    "backwards": (region(4, 5, 2)[::-1], ONE_HOT),
    "two-dimensional": (region(4, 5), ONE_HOT),
    "no cells": (region(0, 5, 2), ONE_HOT),
    "no layers": (region(4, 5, 0), ONE_HOT),
    "an array of its own class": (region(4, 5, 2).view(OwnArray), ONE_HOT),
    "a map with a default": (region(4, 5, 2), defaultdict(lambda: np.ones(4), Gem=np.zeros(4))),
    "lists": (region(4, 5, 2), {kind: list(v) for kind, v in ONE_HOT.items()}),
    "numbers for vectors": (region(4, 5, 2), appearances(float) | {"EmptyEntity": np.ones(4)}),
    "one number for all": (region(4, 5, 2), appearances(lambda i: np.full(1, float(i)))),
}


@pytest.mark.parametrize(("cells", "entity_map"), UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_pictures_are_equal(cells, entity_map):
    found = one_hot_builder(original)(cells, entity_map, 4)
    assert_same_bits(found, original(cells, entity_map, 4))


def test_pictures_without_channels_are_equal():
    cells, entity_map = region(3, 3, 2), appearances(lambda i: np.zeros(0))
    errors = []
    for function in (original, one_hot_builder(original)):
        with pytest.raises(ValueError) as error:  # noqa: PT011 - of numpy
            function(cells, entity_map, 0)
        errors.append(str(error.value))
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    ("kind", "entity_map"),
    [("Dragon", ONE_HOT), (["Wall"], ONE_HOT), ("Wall", {**ONE_HOT, "Wall": np.ones(3)})],
)
def test_errors_are_those_of_sorrel(kind, entity_map):
    cells = region(3, 3, 2)
    cells[1, 1, 1].kind = kind
    errors = []
    for function in (original, one_hot_builder(original)):
        with pytest.raises((KeyError, TypeError, ValueError)) as error:
            function(cells, entity_map, 4)
        errors.append((error.type, str(error.value)))
    assert errors[0] == errors[1]


def test_appearances_that_change_are_followed():
    cells, entity_map = region(3, 3, 2), {kind: v.copy() for kind, v in ONE_HOT.items()}
    build = one_hot_builder(refuse)
    before = build(cells, entity_map, 4)
    entity_map["Wall"][:] = 0.5
    cells[0, 0, 0].kind = "Wall"
    after = build(cells, entity_map, 4)
    assert not np.array_equal(before, after)
    assert_same_bits(after, original(cells, entity_map, 4))


@pytest.mark.parametrize("full_view", [False, True])
def test_views_at_every_place_of_a_world_are_equal(full_view):
    env = make_environment("treasurehunt", "world.height=6", "world.width=5")
    kinds = [*env.agents[0].observation_spec.entity_map]
    spec = OneHotObservationSpec(kinds, full_view=full_view, vision_radius=2, env_dims=(6, 5))
    env.reset()
    for place in np.ndindex(env.world.map.shape):
        plain = spec.observe(env.world, place)
        with accelerated(True):
            found = spec.observe(env.world, place)
        assert_same_bits(found, plain)
