"""The packaged configs, compared with Sorrel's examples and composed by Hydra."""

import ast
import importlib.util
from pathlib import Path

import pytest
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.config_files import config_dir, model_defaults
from support.packaged_configs import packaged_configs

ENVIRONMENTS = ["treasurehunt", "cleanup", "tag", "iowa"]
# Intended differences: one-hot instead of RGB observations, and an explicit default.
TREASUREHUNT_CHANGES = {"observation_spec": "onehot", "num_agents": 2}
PATHS = {"log_dir", "output_dir"}


def compose_config(*overrides):
    with packaged_configs():
        return compose("config", overrides=list(overrides))


def example_folder(name):
    spec = importlib.util.find_spec(f"sorrel.examples.{name}")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def sorrel_config(name):
    """Read the config of a Sorrel example: a YAML file, or a dictionary in its main.py."""
    folder = example_folder(name)
    if (folder / "configs" / "config.yaml").exists():
        return OmegaConf.to_container(OmegaConf.load(folder / "configs" / "config.yaml"))
    for node in ast.walk(ast.parse((folder / "main.py").read_text())):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "config":
            return literal(node.value)
    raise AssertionError(f"no config in {folder}")


def literal(node):
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        keys = ((ast.literal_eval(key), value) for key, value in pairs if key is not None)
        return {key: literal(value) for key, value in keys if key not in PATHS}
    return ast.literal_eval(node)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_config_equals_that_of_the_sorrel_example(name):
    ours = OmegaConf.to_container(OmegaConf.load(config_dir() / "environment" / f"{name}.yaml"))
    theirs = sorrel_config(name)
    assert isinstance(ours, dict)
    assert isinstance(theirs, dict)
    if name == "treasurehunt":
        theirs["model"] |= TREASUREHUNT_CHANGES
    if name == "cleanup":
        assert theirs.pop("root")
        assert theirs.pop("log") is False
        theirs["agent"]["agent"]["model"] = "${model.type}"
    assert ours.pop("environment")["name"] == name
    assert ours["experiment"].pop("animate") is False
    assert ours == theirs


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("model", ["gru_ppo", "lstm_ppo", "iqn", "dqn"])
def test_model_section_is_merged_into_the_environments_model_sections(environment, model):
    config = compose_config(f"environment={environment}", f"model={model}")
    packaged = OmegaConf.load(config_dir() / "environment" / f"{environment}.yaml")
    assert isinstance(packaged, DictConfig)
    assert config.model.type == model
    section = OmegaConf.to_container(config.model[model])
    assert isinstance(section, dict)
    assert section.items() >= model_defaults(model).items()
    for key in packaged.get("model", {}):
        if key != model:
            assert config.model[key] == packaged.model[key]


def test_run_directory_contains_environment_and_model():
    with packaged_configs():
        config = compose("config", ["environment=tag", "model=gru_ppo"], return_hydra_config=True)
    assert config.hydra.run.dir.startswith("runs/tag/gru_ppo/")
