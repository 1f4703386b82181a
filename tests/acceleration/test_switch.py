"""Switching on and off, what is left alone, and guards for Sorrel's source."""

import copy
import logging
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from sorrel import environment
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.environment import Environment
from sorrel.examples.cleanup.world import CleanupWorld
from sorrel.location import Location, Vector
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.worlds import Gridworld, gridworld

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo import ConfigError, accelerate, install
from sorrel_recurrent_ppo.acceleration.replacements import REPLACEMENTS, source_digest
from sorrel_recurrent_ppo.acceleration.switch import accelerated
from support.small_study import Study, build_study

visual_field = import_module("sorrel.observation.visual_field")


def replaced():
    return [vars(replacement.find_owner())[replacement.name] for replacement in REPLACEMENTS]


def test_everything_is_replaced_and_restored():
    before = replaced()
    accelerate()
    assert all(now is not then for now, then in zip(replaced(), before, strict=True))
    accelerate(False)
    assert all(now is then for now, then in zip(replaced(), before, strict=True))
    accelerate(False)
    assert all(now is then for now, then in zip(replaced(), before, strict=True))


def test_a_second_call_changes_nothing():
    before = replaced()
    accelerate()
    once = replaced()
    accelerate()
    assert all(now is then for now, then in zip(replaced(), once, strict=True))
    accelerate(False)
    assert all(now is then for now, then in zip(replaced(), before, strict=True))


def test_the_context_restores_what_was_there():
    with accelerated(False):
        assert gridworld.copy is copy
    with accelerated(True):
        assert gridworld.copy is not copy
        with accelerated(True):
            pass
        assert gridworld.copy is not copy
    assert gridworld.copy is copy
    accelerate()
    for on in (True, False):
        with accelerated(on):
            assert gridworld.copy is not copy
        assert gridworld.copy is not copy


def test_something_else_than_a_flag_is_refused():
    with pytest.raises(ConfigError, match="accelerate must be true or false, not 'yes'"):
        accelerate("yes")  # pyright: ignore[reportArgumentType]


def test_importing_changes_nothing():
    code = (
        "import sys, copy, sorrel_recurrent_ppo.acceleration.switch as switch\n"
        "assert 'sorrel.worlds.gridworld' not in sys.modules\n"
        "from sorrel.worlds import gridworld\n"
        "assert gridworld.copy is copy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- Sorrel's source ---

# What the equivalents are written for, or what makes use of them. A test that fails here after an
# update of Sorrel asks for a comparison of the new source with the equivalent.
SOURCES = {
    Environment.take_turn: "e2dbd8b949eb7f2b",
    Gridworld.create_world: "5fd45670d04a6939",
    Gridworld.remove: "2676c9d4b561b46f",
    Gridworld.move: "b2f7f3069f01e8dc",
    visual_field._build_one_hot: "2b788824dee28056",
    visual_field.visual_field: "2bcacbd0c41b9102",
    CleanupWorld.measure_pollution: "11b052b4fa990137",
    Vector.compute: "e408bab20e9c3b9c",
    Location.__init__: "53baae756b6ff13f",
    Location.__new__: "3d2b05d9d44cbda6",
    Location.__add__: "6ee6f88e2e93d503",
    Location.__mul__: "5d50f5584c6dedda",
}


@pytest.mark.parametrize("function", SOURCES, ids=lambda function: function.__qualname__)
def test_source_of_sorrel_is_the_known_one(function):
    assert source_digest(function) == SOURCES[function]


def test_a_changed_function_is_left_alone_and_logged(monkeypatch, caplog):
    caplog.set_level(logging.INFO)

    def _build_one_hot(map_region, entity_map, num_channels):
        return "another"

    monkeypatch.setattr(visual_field, "_build_one_hot", _build_one_hot)
    accelerate()
    assert visual_field._build_one_hot is _build_one_hot
    assert gridworld.copy is not copy
    accelerate(False)
    assert visual_field._build_one_hot is _build_one_hot
    (record,) = caplog.records
    assert "visual_field._build_one_hot is not accelerated" in record.message


def test_a_missing_name_is_left_alone_and_logged(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.delattr(CleanupWorld, "measure_pollution")
    accelerate()
    assert not hasattr(CleanupWorld, "measure_pollution")
    assert "CleanupWorld.measure_pollution is not accelerated" in caplog.text


def test_wrappers_of_others_stay(monkeypatch):
    accelerate()

    def wrapper(*arguments):
        return fast(*arguments)

    fast = visual_field._build_one_hot
    monkeypatch.setattr(visual_field, "_build_one_hot", wrapper)
    accelerate(False)
    assert visual_field._build_one_hot is wrapper
    assert gridworld.copy is copy


# --- subclasses ---


class Counting(EmptyEntity):
    """An entity that counts its copies."""

    n_copies = 0

    def __deepcopy__(self, memo):
        type(self).n_copies += 1
        return EmptyEntity()


class Remembering(Gridworld):
    """A world that remembers where entities were removed."""

    def __init__(self, *arguments):
        self.removed = []
        super().__init__(*arguments)

    def remove(self, target_location):
        self.removed.append(target_location)
        return super().remove(target_location)


class Blind(OneHotObservationSpec):
    def observe(self, world, location=None):
        return np.zeros(self.input_size)


def test_entities_that_copy_themselves_and_overridden_methods_are_respected():
    accelerate()
    world = Remembering(3, 3, 1, Counting())
    assert Counting.n_copies == 2 * 9 or Counting.n_copies == 9
    world.move(world.map[0, 0, 0], (1, 1, 0))
    assert world.removed == [(1, 1, 0)]
    spec = Blind(["EmptyEntity", "Wall"], full_view=False, vision_radius=1)
    assert not spec.observe(world, (0, 0, 0)).any()


def test_entities_put_ahead_of_the_turn_have_their_transitions():
    class Spreading(EmptyEntity):
        """Spreads to the next cell, which is then at its turn."""

        def __init__(self):
            super().__init__()
            self.has_transitions = True

        def transition(self, world):
            n.append(self.location)
            following = (0, self.location[1] + 1, 0)
            if world.valid_location(following):
                world.add(following, Spreading())

    n = []
    for on in (False, True):
        accelerate(on)
        env = build_study(Study, n=0)
        env.world.add((0, 0, 0), Spreading())
        env.take_turn()
    assert n == [(0, i, 0) for i in range(6)] * 2


def test_the_key_of_a_config_accelerates_where_the_package_is_installed():
    install()
    build_study()
    assert environment.ndenumerate is np.ndenumerate
    build_study(accelerate=True)
    assert environment.ndenumerate is not np.ndenumerate
    build_study()
    assert environment.ndenumerate is not np.ndenumerate


def test_the_function_is_public():
    assert sorrel_recurrent_ppo.accelerate is accelerate
