"""Overrides of single objects' methods."""

import copy

import pytest

from sorrel_recurrent_ppo.support.instance_overrides import overridden, override, remove_override


class Counter:
    def __init__(self):
        self.n = 0

    def add(self, amount=1):
        self.n += amount


def add_twice(counter, factor, amount=1):
    type(counter).add(counter, factor * amount)


def test_override_affects_one_object_until_it_is_removed():
    one, other = Counter(), Counter()
    override(one, "add", add_twice, 2)
    one.add(3)
    other.add(3)
    assert (one.n, other.n) == (6, 3)
    remove_override(one, "add")
    remove_override(one, "add")
    one.add(1)
    assert one.n == 7


def test_override_of_a_deep_copy_is_bound_to_the_copy():
    one = Counter()
    override(one, "add", add_twice, 2)
    twin = copy.deepcopy(one)
    twin.add(5)
    assert (one.n, twin.n) == (0, 10)


@pytest.mark.parametrize("former", [None, "own"])
def test_overridden_restores_the_attribute_after_an_error(former):
    counter = Counter()
    if former is not None:
        vars(counter)["add"] = former

    def fail():
        with overridden(counter, "add", "other"):
            assert counter.add == "other"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert vars(counter).get("add") == former
