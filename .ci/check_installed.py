"""Checks an installed wheel from outside the checkout: entry points, configs and Hydra's group."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import hydra

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.registry import available_models, load_model_class

MODELS = ["dqn", "gru_ppo", "iqn", "lstm_ppo"]


def check(what: str, found: object, expected: object) -> None:
    """Stop with a message unless what was found is what was expected."""
    if found != expected:
        sys.exit(f"installed wheel: {what}: found {found!r}, expected {expected!r}")


package = Path(sorrel_recurrent_ppo.__file__).parent
check("imported from the environment", package.is_relative_to(Path(sys.prefix).resolve()), True)
check("folder of the configs", config_dir(), package / "configs")
check("models", sorted(available_models()), MODELS)
check(
    "their classes",
    [load_model_class(name).__name__ for name in MODELS],
    ["DQNModel", "DualHeadRecurrentPPO", "iRainbowModel", "RecurrentPPOLSTM"],
)
plugin = "hydra_plugins.sorrel_recurrent_ppo_searchpath:SorrelRecurrentPPOSearchPath"
plugins = [entry.value for entry in entry_points(group="hydra.plugins")]
check("Hydra's entry point", plugin in plugins, True)

# Any Hydra application finds the group, as `sorrel run cleanup +model=lstm_ppo` does.
with hydra.initialize(version_base="1.3", config_path=None):
    composed = hydra.compose(overrides=["+model=lstm_ppo"])
check("the group model in another Hydra application", composed.model.type, "lstm_ppo")
print("installed wheel: entry points, configs and Hydra's group are found")
