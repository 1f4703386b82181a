"""Runs of the complete study through the package's own runner."""

from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from support.complete_study import CONFIG
from support.packaged_configs import packaged_configs

MODELS = {
    "lstm": "lstm_ppo",
    "gru": "gru_ppo",
    "mixed": ["lstm_ppo", "gru_ppo", "iqn", "lstm_ppo"],
    "iqn": "iqn",
}
LONG = (
    *("experiment.epochs=60", "model.n_agents=10", "replacement.epochs=[15,30]"),
    *("study.newcomer=10", "study.insertion=20", "study.removal=40", "study.probe_every=5"),
)


def study_settings(model: str, *overrides: str) -> dict[str, Any]:
    """Return the study's config with the models of one of `MODELS` for its number of agents."""
    config = OmegaConf.merge(CONFIG, OmegaConf.from_dotlist([*overrides]))
    n, chosen = config.model.n_agents, MODELS[model]
    config.model.type = chosen if isinstance(chosen, str) else [*chosen * n][:n]
    settings = OmegaConf.to_container(config)
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items()}


def study_config(model: str, *overrides: str) -> DictConfig:
    """Return the complete config of a run of the study."""
    config = factory_config("support.complete_study.build", "checkpoint_period=2")
    merged = OmegaConf.merge(config, study_settings(model, *overrides))
    assert isinstance(merged, DictConfig)
    return merged


def factory_config(factory: str, *overrides: str) -> DictConfig:
    """Return the complete config of a run of what a function builds."""
    command = ["environment=study", f"environment.factory={factory}", "model=lstm_ppo", "seed=3"]
    with packaged_configs():
        config = compose("config", overrides=command)
    OmegaConf.set_struct(config, False)
    merged = OmegaConf.merge(config, OmegaConf.from_dotlist([*overrides]))
    assert isinstance(merged, DictConfig)
    return merged
