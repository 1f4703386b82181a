"""Plain forms of single values."""

import enum
import io
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.experiments.resume.plain_values import (
    class_name,
    find_class,
    leaf_from_plain,
    leaf_to_plain,
)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def saved(value):
    """Return the plain form of a value after saving and loading it as a checkpoint does."""
    file = io.BytesIO()
    torch.save(leaf_to_plain(value), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, -3, 2**70, 0.1, -math.inf, "text", Color.BLUE, b"\x00\xff", 1 + 2j),
        *(Path("a/b"), slice(1, None, 2), range(5, 1, -2)),
        *(np.float32(0.1), np.float64(0.1), np.longdouble("0.1"), np.int8(-3), np.bool_(True)),
        *(np.complex64(1 + 0.1j), np.str_("text"), np.datetime64("2020-02-03")),
    ],
    ids=repr,
)
def test_leaf_from_plain_inverts_leaf_to_plain(value):
    restored = leaf_from_plain(saved(value), None)
    assert restored == value
    assert type(restored) is type(value)


@pytest.mark.parametrize(
    ("make", "draw"),
    [
        (np.random.default_rng, lambda rng: rng.integers(2**40)),
        (np.random.RandomState, lambda rng: rng.normal()),
        (random.Random, lambda rng: rng.gauss(0, 1)),
        (
            lambda seed: torch.Generator().manual_seed(seed),
            lambda rng: torch.rand(1, generator=rng).item(),
        ),
    ],
)
def test_leaf_from_plain_sets_generators_in_place(make, draw):
    generator, current = make(1), make(2)
    draw(generator)  # leaves a second Gaussian number in those that draw them in pairs
    restored = leaf_from_plain(saved(generator), current)
    assert restored is current
    assert [draw(current) for _ in range(3)] == [draw(generator) for _ in range(3)]


def test_leaf_from_plain_rejects_another_value_instead_of_a_generator():
    plain = saved(random.Random(1))
    with pytest.raises(ValueError, match=r"expected a random generator .* found int"):
        leaf_from_plain(plain, 3)


def test_leaf_from_plain_rejects_an_unknown_kind():
    with pytest.raises(ValueError, match="unknown kind 'colour'"):
        leaf_from_plain({"kind": "colour"}, None)


def test_find_class_finds_imported_classes_of_the_given_base():
    assert find_class(class_name(Color), enum.Enum) is Color
    with pytest.raises(ValueError, match=r"no imported class .*Color"):
        find_class(class_name(Color), dict)
    with pytest.raises(ValueError, match="no imported class not_imported:Thing"):
        find_class("not_imported:Thing", object)
