"""Paths of sprites are plain paths, equal to Sorrel's, and made once."""

import copy
import pickle
from importlib import import_module
from pathlib import Path

import pytest

from sorrel_recurrent_ppo import accelerate
from sorrel_recurrent_ppo.acceleration.sprite_paths import PathFactory
from sorrel_recurrent_ppo.experiments.world_checks import __file__ as some_file

PLAIN = type(Path())


@pytest.mark.parametrize(
    "key", ["./assets/wall.png", "assets/wall.png", "..", "", "/absolute", Path("a/b.png")]
)
def test_paths_beside_a_module_are_plain_and_equal(key):
    factory = PathFactory()
    for _ in range(2):
        found, expected = factory(some_file).parent / key, Path(some_file).parent / key
        assert (type(found), str(found), hash(found)) == (PLAIN, str(expected), hash(expected))
        assert found == expected == pickle.loads(pickle.dumps(found)) == copy.deepcopy(found)


def test_a_path_is_made_once():
    factory = PathFactory()
    assert factory(some_file).parent / "a.png" is factory(some_file).parent / "a.png"
    assert factory(some_file).parent / "b.png" != factory(some_file).parent / "a.png"


@pytest.mark.parametrize("segments", [(), (".",), ("a", "b.py"), (Path("x.py"),), ("data.csv",)])
def test_other_paths_are_those_of_pathlib(segments):
    found = PathFactory()(*segments)
    assert (type(found), found) == (PLAIN, Path(*segments))
    assert PathFactory().cwd() == Path.cwd()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sorrel.entities.basic_entities", "Wall"),
        ("sorrel.examples.cleanup.agents", "CleanBeam"),
        ("sorrel.examples.cleanup.entities", "Sand"),
        ("sorrel.examples.iowa.entities", "EmptyEntity"),
        ("sorrel.examples.treasurehunt.entities", "EmptyEntity"),
    ],
)
def test_entities_have_the_same_sprites(module, name):
    make = getattr(import_module(module), name)
    plain = make()
    accelerate()
    fast = make()
    assert (type(fast.sprite), fast.sprite) == (type(plain.sprite), plain.sprite)
    assert fast.sprite is make().sprite
