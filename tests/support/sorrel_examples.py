"""The packaged example environments, built from their configs, and scripted agents."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hydra.utils import get_class
from omegaconf import OmegaConf
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.config_files import config_dir


def make_environment(name: str, *overrides: str) -> Any:
    """Build an example environment, with overrides of the form ``section.key=value``."""
    packaged = OmegaConf.load(config_dir() / "environment" / f"{name}.yaml")
    config = OmegaConf.merge(packaged, OmegaConf.from_dotlist(list(overrides)))
    entity = get_class(config.environment.entity_class)()
    world = get_class(config.environment.world_class)(config=config, default_entity=entity)
    return get_class(config.environment.env_class)(world, config)


class ScriptedModel(BaseModel):
    """A model whose action is a function of the observation; its memory keeps the transitions."""

    def __init__(self, agent: Any, decide: Callable[[np.ndarray], int]):
        (size,) = agent.observation_spec.input_size
        super().__init__((size,), agent.action_spec.n_actions, memory_size=4096)
        self.memory.n_frames = 1
        self.decide = decide

    def take_action(self, state: np.ndarray) -> int:
        return self.decide(state.ravel())


def picture(agent: Any, state: np.ndarray, kind: str) -> np.ndarray:
    """Return the observation channel of a kind of entity."""
    spec = agent.observation_spec
    side = 2 * spec.vision_radius + 1
    channels = state.ravel()[: len(spec.entity_map) * side * side].reshape(-1, side, side)
    return channels[list(spec.entity_map).index(kind)]


def play_epoch(environment: Any) -> None:
    """Run an epoch as ``run_experiment`` does, with statistics and without training."""
    environment.reset()
    while environment.turn < environment.config.experiment.max_turns:
        environment.take_turn()
        environment.on_turn_end(environment.collect_turn_stats(epoch=0))
