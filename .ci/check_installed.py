"""Check an installed wheel from outside the checkout: entry points and configs."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import hydra

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.registry import available_models, load_model_class

MODELS = ["dqn", "gru_ppo", "iqn", "lstm_ppo"]


def check(what: str, found: object, expected: object) -> None:
    """Exit with a message unless the found value equals the expected one."""
    if found != expected:
        sys.exit(f"installed wheel: {what}: found {found!r}, expected {expected!r}")


package = Path(sorrel_recurrent_ppo.__file__).parent
check("import from the environment", package.is_relative_to(Path(sys.prefix).resolve()), True)
check("config folder", config_dir(), package / "configs")
check("models", sorted(available_models()), MODELS)
check(
    "model classes",
    [load_model_class(name).__name__ for name in MODELS],
    ["DQNModel", "DualHeadRecurrentPPO", "iRainbowModel", "RecurrentPPOLSTM"],
)
plugin = "hydra_plugins.sorrel_recurrent_ppo_searchpath:SorrelRecurrentPPOSearchPath"
plugins = [entry.value for entry in entry_points(group="hydra.plugins")]
check("Hydra entry point", plugin in plugins, True)

# The config group is available in any Hydra application, such as `sorrel run`.
with hydra.initialize(version_base="1.3", config_path=None):
    composed = hydra.compose(overrides=["+model=lstm_ppo"])
check("config group in another Hydra application", composed.model.type, "lstm_ppo")
print("installed wheel: entry points and configs are as expected")
