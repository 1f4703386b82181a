"""Building environments from class names in the config."""

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
    """Return the name of a user module in the working directory, unique per test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [])  # restored afterwards
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


def test_build_environment_passes_the_keys_of_world(own_module):
    config = config_of(f"{own_module}.OwnEnv", world={"height": 5, "width": 7, "layers": 2})
    env = build_environment(config)
    assert isinstance(env.world, Gridworld)
    assert env.world.map.shape == (5, 7, 2)
    assert isinstance(env.world.observe((0, 0, 0)), EmptyEntity)
    assert env.radius == 3  # pyright: ignore[reportAttributeAccessIssue]


def test_build_environment_takes_a_gridworld_of_empty_entities_by_default(own_module):
    config = config_of(f"{own_module}.OwnEnv", world={"height": 5, "width": 7, "layers": 2})
    del config.environment.entity_class
    del config.environment.world_class
    OmegaConf.set_struct(config, True)
    world = build_environment(config).world
    assert type(world) is Gridworld
    assert type(world.observe((0, 0, 0))) is EmptyEntity


def test_build_environment_passes_the_config_to_a_world_that_takes_it(own_module):
    config = config_of(f"{own_module}.OwnEnv", f"{own_module}.ConfigWorld", world={"side": 4})
    assert build_environment(config).world.map.shape == (4, 4, 1)


@pytest.mark.parametrize(
    ("world", "fragments"),
    [
        ({"height": 5, "width": 7, "layer": 2}, ["world.layer: ", "Did you mean 'layers'?"]),
        ({"height": 5}, ["world.width, world.layers", "+world.width=... +world.layers=..."]),
        (None, ["world.height, world.width, world.layers"]),
    ],
)
def test_build_environment_names_wrong_world_arguments(own_module, world, fragments):
    config = config_of(f"{own_module}.OwnEnv", world=world)
    with pytest.raises(ConfigError) as error:
        build_environment(config)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_build_environment_names_a_missing_config_key(own_module):
    config = config_of(f"{own_module}.OwnEnv", world={"height": 5, "width": 5, "layers": 1})
    del config.model.radius
    with pytest.raises(ConfigError, match=r"OwnEnv .*'model.radius'"):
        build_environment(config)


def test_load_class_imports_by_dotted_name():
    found = load_class("k", "sorrel.examples.treasurehunt.env.TreasurehuntEnv", Environment)
    assert found is TreasurehuntEnv


@pytest.mark.parametrize(
    ("dotted_name", "message"),
    [
        ("TreasurehuntEnv", "not a dotted name"),
        ("sorrel.exampels.tag.env.TagEnv", "there is no module 'sorrel.exampels'"),
        ("sorrel.examples.tag.env.TagEnvironment", "Did you mean 'TagEnv'?"),
        ("sorrel.examples.tag.env.Wall", "not a class derived from sorrel.environment.Environment"),
        ("sorrel.environment.Environment", "does not define populate_environment, setup_agents"),
        ("sorrel.examples.tag.env.np", "not a class derived from sorrel.environment.Environment"),
    ],
)
def test_load_class_rejects_unsuitable_classes_with_the_key(dotted_name, message):
    with pytest.raises(ConfigError) as error:
        load_class("environment.env_class", dotted_name, Environment)
    assert "environment.env_class" in str(error.value)
    assert message in str(error.value)


def test_load_class_reraises_a_failed_import_inside_the_module(own_module, tmp_path):
    (tmp_path / f"{own_module}_broken.py").write_text("import not_there_at_all")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        load_class("environment.env_class", f"{own_module}_broken.Env", Environment)
