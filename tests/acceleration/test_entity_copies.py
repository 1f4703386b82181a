"""Copies of entities equal those of `copy.deepcopy`, also of classes that customise copying."""

import copy
import copyreg
import enum
from pathlib import Path

import numpy as np
import pytest
from sorrel.entities import Entity
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.examples.cleanup.entities import Sand as CleanupSand
from sorrel.examples.treasurehunt.entities import EmptyEntity as TreasurehuntEmpty
from sorrel.location import Location

from sorrel_recurrent_ppo.acceleration.entity_copies import CopyModule, copy_entity


class Heading(enum.Enum):
    NORTH = 0


class Marked(EmptyEntity):
    """Plain entities with one more attribute."""

    def __init__(self, mark):
        super().__init__()
        self.mark = mark


class WithHook(EmptyEntity):
    def __deepcopy__(self, memo):
        return "hook"


class WithReduce(EmptyEntity):
    def __reduce__(self):
        return str, ("reduce",)


class WithReduceEx(EmptyEntity):
    def __reduce_ex__(self, protocol):
        return str, ("reduce_ex",)


class WithGetState(EmptyEntity):
    def __getstate__(self):
        return {"kind": "state"}


class WithSetState(EmptyEntity):
    def __setstate__(self, state):
        self.kind = "set"


class WithSlots(EmptyEntity):
    __slots__ = ("extra",)

    def __init__(self):
        super().__init__()
        self.extra = [1]


class WithNew(EmptyEntity):
    made: int

    def __new__(cls):
        made = super().__new__(cls)
        made.made = 1
        return made


class WithNewArguments(EmptyEntity):
    number: int

    def __new__(cls, number=0):
        made = super().__new__(cls)
        made.number = number
        return made

    def __init__(self, number=0):
        super().__init__()

    def __getnewargs__(self):
        return (7,)


class WithHookOnAccess(EmptyEntity):
    def __getattr__(self, name):
        if name == "__deepcopy__":
            return lambda memo: "on access"
        raise AttributeError(name)


class WithHookInInstance(EmptyEntity):
    def __init__(self):
        super().__init__()
        vars(self)["__deepcopy__"] = lambda memo: "in the instance"


class Registered(EmptyEntity):
    def __init__(self, word=""):
        super().__init__()
        self.word = word


class AList(list):
    pass


PLAIN = [EmptyEntity(), TreasurehuntEmpty(), CleanupSand(), Entity(), Marked("x"), Marked(0.1)]
OTHERS = [
    *(
        Marked([1, [2]]),
        Marked({"a": [1]}),
        Marked((1, [2])),
        Marked((1, 2)),
        Marked(Heading.NORTH),
    ),
    *(Marked(np.zeros(2)), Marked(np.float64(1)), Marked(EmptyEntity()), Marked(Location(1, 2))),
    *(WithSlots(), WithNew(), WithNewArguments(), AList([[1]]), [EmptyEntity()], EmptyEntity, 3),
]
HOOKED = [
    *(WithHook(), WithReduce(), WithReduceEx(), WithGetState(), WithSetState()),
    *(WithHookOnAccess(), WithHookInInstance()),
]


def form(value):
    """Return a value in a form that ``==`` compares, with types and attributes."""
    if isinstance(value, np.ndarray | enum.Enum):
        return type(value), repr(value)
    items = [form(v) for v in value] if isinstance(value, list | tuple) else None
    attributes = (
        {k: form(v) for k, v in vars(value).items()} if hasattr(value, "__dict__") else None
    )
    extra = getattr(value, "extra", None)
    is_own = isinstance(value, Entity | type)
    return type(value), items, None if is_own else repr(value), attributes, extra


def identity(entity):
    return entity.mark.__class__.__name__ if isinstance(entity, Marked) else type(entity).__name__


@pytest.mark.parametrize("entity", [*PLAIN, *OTHERS], ids=identity)
def test_copy_equals_a_deep_copy(entity):
    copied = copy_entity(entity)
    assert form(copied) == form(copy.deepcopy(entity))
    assert (copied is entity) == (copy.deepcopy(entity) is entity)


@pytest.mark.parametrize("entity", HOOKED, ids=identity)
def test_classes_that_customise_copying_are_copied_their_way(entity):
    copied, expected = copy_entity(entity), copy.deepcopy(entity)
    assert type(copied) is type(expected)
    assert copied == expected if isinstance(expected, str) else vars(copied) == vars(expected)


def test_a_registered_reduction_is_used():
    copyreg.pickle(Registered, lambda entity: (Registered, ("registered",)))
    try:
        assert copy_entity(Registered()).word == "registered"
    finally:
        del copyreg.dispatch_table[Registered]


@pytest.mark.parametrize("entity", PLAIN, ids=identity)
def test_copy_of_a_plain_entity_shares_its_path_and_has_its_own_attributes(entity):
    copied = copy_entity(entity)
    assert getattr(copied, "sprite", None) is getattr(entity, "sprite", None)
    copied.location = (1, 2, 0)
    copied.sprite = Path("other.png")
    assert entity._location is None
    assert getattr(entity, "sprite", None) != copied.sprite


def test_attributes_that_are_not_immutable_are_not_shared():
    entity = Marked([1])
    copied = copy_entity(entity)
    copied.mark.append(2)
    assert entity.mark == [1]


def test_the_memo_is_used():
    entity = EmptyEntity()
    assert copy_entity(entity, {id(entity): "known"}) == "known"


def test_other_functions_of_the_copy_module_are_there():
    assert CopyModule().copy is copy.copy
