"""The iteration over cells equals numpy's, and finds what is changed ahead of it."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.acceleration.cells import enumerate_cells


@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 3), (5,), (), (0, 2), (1, 1, 1)])
def test_cells_are_those_of_numpy(shape):
    array = np.arange(np.prod(shape, dtype=int)).astype(object).reshape(shape)
    assert [*enumerate_cells(array)] == [*np.ndenumerate(array)]


def test_order_is_that_of_the_indices_and_not_of_memory():
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(object))
    assert [*enumerate_cells(array)] == [*np.ndenumerate(array)]


def test_lists_are_arrays():
    assert [*enumerate_cells([[1, 2]])] == [*np.ndenumerate([[1, 2]])]


def test_cells_are_read_when_the_iteration_reaches_them():
    found = []
    array = np.array(["a", "b", "c"], object)
    for (i,), value in enumerate_cells(array):
        found.append(value)
        array[(i + 1) % 3] = "new"
    assert found == ["a", "new", "new"]


def test_a_shape_that_comes_back_has_its_indices():
    shapes = [(2, 2), (2, 1), (2, 2)]
    for shape in shapes:
        array = np.zeros(shape, object)
        assert [*enumerate_cells(array)] == [*np.ndenumerate(array)]
