"""Displacements of vectors equal Sorrel's."""

import itertools

import numpy as np
import pytest
from sorrel.location import Location, Vector

from sorrel_recurrent_ppo.acceleration.vectors import vector_computer

compute = vector_computer(Vector.compute)


def parts(location):
    return type(location), tuple(location), location.dims, location.x, location.y, location.z


def test_every_direction_and_pace_is_that_of_sorrel():
    paces = itertools.product((-2, 0, 1), (0, 3), (0, 1), (0, -1), (0, 2), range(4))
    for forward, right, backward, left, layer, direction in paces:
        vector = Vector(forward, right, backward, left, layer, direction)
        found, expected = compute(vector), vector.compute()
        assert parts(found) == parts(expected)
        assert [type(number) for number in found] == [int] * 3
        assert parts(Location(5, 7, 1) + vector) == parts(Location(5, 7, 1) + found)


@pytest.mark.parametrize(
    "vector",
    [Vector(1, 2, direction=4), Vector(1, 2, direction=-1), Vector(1.5, 2)],  # pyright: ignore[reportArgumentType]
)
def test_errors_are_those_of_sorrel(vector):
    with pytest.raises((ValueError, NotImplementedError)) as expected:
        vector.compute()
    with pytest.raises(expected.type) as found:
        compute(vector)
    assert str(found.value) == str(expected.value)


def test_numbers_of_other_types_are_left_to_sorrel():
    calls = []
    with_record = vector_computer(lambda vector: calls.append(vector) or vector.compute())
    for vector in (Vector(True, 0), Vector(1, 0, layer=np.int64(1)), Vector(1, 0, direction=True)):  # pyright: ignore[reportArgumentType]
        calls.clear()
        found = with_record(vector)
        assert calls == [vector]
        assert parts(found) == parts(vector.compute())


def test_vectors_of_a_subclass_compute_their_own():
    class Doubled(Vector):
        def compute(self):
            return super().compute() * 2

    from sorrel_recurrent_ppo import accelerate

    expected = parts(Doubled(1, 2).compute())
    accelerate()
    assert parts(Doubled(1, 2).compute()) == expected == (Location, (-2, 4, 0), 3, -2, 4, 0)
