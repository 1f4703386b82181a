"""Environments from classes that the config names."""

import pytest
from omegaconf import OmegaConf
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.environment import Environment
from sorrel.examples.treasurehunt.env import TreasurehuntEnv
from sorrel.worlds import Gridworld

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.environments import build_environment, load_class

OWN_MODULE = """
from sorrel.environment import Environment
from sorrel.worlds import Gridworld

class {env}(Environment):
    def setup_agents(self):
        self.agents = []
        self.radius = self.config.model.radius

    def populate_environment(self):
        pass

class ConfigWorld(Gridworld):
    def __init__(self, config):
        from sorrel.entities.basic_entities import Wall
        super().__init__(config.world.side, config.world.side, 1, Wall())
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's in the working directory; its name differs from test to test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [])  # restored afterwards; nothing but the directory is found
    name = f"own_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN_MODULE.format(env="OwnEnv"))
    return name


def config_of(env_class, world_class="sorrel.worlds.Gridworld", **sections):
    return OmegaConf.create(
        {
            "environment": {
                "env_class": env_class,
                "world_class": world_class,
                "entity_class": "sorrel.entities.basic_entities.EmptyEntity",
            },
            "model": {"radius": 3},
            **sections,
        }
    )


def test_a_world_without_config_parameter_gets_the_keys_of_world(own_module):
    config = config_of(f"{own_module}.OwnEnv", world={"height": 5, "width": 7, "layers": 2})
    env = build_environment(config)
    assert isinstance(env.world, Gridworld)
    assert env.world.map.shape == (5, 7, 2)
    assert isinstance(env.world.observe((0, 0, 0)), EmptyEntity)
    assert env.radius == 3  # pyright: ignore[reportAttributeAccessIssue]


def test_a_world_with_config_parameter_gets_the_config_and_only_what_it_takes(own_module):
    config = config_of(f"{own_module}.OwnEnv", f"{own_module}.ConfigWorld", world={"side": 4})
    assert build_environment(config).world.map.shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("world", "told"),
    [
        ({"height": 5, "width": 7, "layer": 2}, ["world.layer: ", "Did you mean 'layers'?"]),
        ({"height": 5}, ["world.width, world.layers", "+world.width=... +world.layers=..."]),
        (None, ["world.height, world.width, world.layers"]),
    ],
)
def test_arguments_that_do_not_fit_the_world_are_named(own_module, world, told):
    config = config_of(f"{own_module}.OwnEnv", world=world)
    with pytest.raises(ConfigError) as error:
        build_environment(config)
    for words in told:
        assert words in str(error.value)


def test_a_key_that_the_environment_reads_and_the_config_lacks_is_named(own_module):
    config = config_of(f"{own_module}.OwnEnv", world={"height": 5, "width": 5, "layers": 1})
    del config.model.radius
    with pytest.raises(ConfigError, match=r"OwnEnv .*'model.radius'"):
        build_environment(config)


def test_a_class_is_found_by_its_dotted_name():
    found = load_class("k", "sorrel.examples.treasurehunt.env.TreasurehuntEnv", Environment)
    assert found is TreasurehuntEnv


@pytest.mark.parametrize(
    ("dotted_name", "told"),
    [
        ("TreasurehuntEnv", "not a dotted name"),
        ("sorrel.exampels.tag.env.TagEnv", "there is no module 'sorrel.exampels'"),
        ("sorrel.examples.tag.env.TagEnvironment", "Did you mean 'TagEnv'?"),
        ("sorrel.examples.tag.env.Wall", "not a class derived from sorrel.environment.Environment"),
        ("sorrel.environment.Environment", "does not define populate_environment, setup_agents"),
        ("sorrel.examples.tag.env.np", "not a class derived from sorrel.environment.Environment"),
    ],
)
def test_a_class_that_does_not_fit_is_refused_with_the_key(dotted_name, told):
    with pytest.raises(ConfigError) as error:
        load_class("environment.env_class", dotted_name, Environment)
    assert "environment.env_class" in str(error.value)
    assert told in str(error.value)


def test_a_missing_import_of_the_users_module_is_not_taken_for_a_missing_module(
    own_module, tmp_path
):
    (tmp_path / f"{own_module}_lame.py").write_text("import not_there_at_all")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        load_class("environment.env_class", f"{own_module}_lame.Env", Environment)
