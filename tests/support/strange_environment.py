"""A third-party Sorrel environment that deviates from Sorrel's examples.

It has custom agent classes, another config layout, a ``reset`` that rebuilds the agents, and a
``run_experiment`` that takes no logger.
"""

from typing import Any

import numpy as np
from omegaconf import OmegaConf
from sorrel.action.action_spec import ActionSpec
from sorrel.agents import Agent
from sorrel.entities.basic_entities import EmptyEntity, Wall
from sorrel.environment import Environment
from sorrel.models.pytorch import PyTorchIQN
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.worlds import Gridworld


class Walker(Agent):
    """An agent that steps left or right; a step to the right is rewarded."""

    def reset(self) -> None:
        self.model.reset()

    def pov(self, world: Gridworld) -> np.ndarray:
        return self.observation_spec.observe(world, self.location).reshape(1, -1)

    def get_action(self, state: np.ndarray) -> int:
        frames = np.vstack((self.model.memory.current_state(), state))
        return self.model.take_action(frames.reshape(1, -1))

    def act(self, world: Gridworld, action: int) -> float:
        y, x, z = self.location
        world.move(self, (y, x + (1 if action else -1), z))
        return float(action)

    def is_done(self, world: Gridworld) -> bool:
        return False


class Forager(Walker):
    pass


class HunterAgent(Walker):
    pass


class StrangeEnvironment(Environment):
    """An environment with two foragers and a hunter, in this order."""

    generation = 0

    def setup_agents(self) -> None:
        self.agents = [self.make(Forager, 0), self.make(Forager, 1), self.make(HunterAgent, 2)]

    def make(self, cls: type[Walker], index: int) -> Walker:
        spec = OneHotObservationSpec(
            ["EmptyEntity", "Wall", "Forager", "HunterAgent"], full_view=False, vision_radius=1
        )
        spec.override_input_size((36,))
        action_spec = ActionSpec(["left", "right"])
        brain = self.config.game.brain
        model = PyTorchIQN((36,), 2, **brain, seed=10 * self.generation + index)
        model.memory.extra_data["mood"] = np.zeros((model.memory.capacity, 4), dtype=np.float32)
        return cls(spec, action_spec, model)

    def populate_environment(self) -> None:
        for y, x, z in np.ndindex(self.world.map.shape):
            if x in (0, self.world.width - 1) or y in (0, self.world.height - 1):
                self.world.add((y, x, z), Wall())
        for y, agent in enumerate(self.agents, start=1):
            self.world.add((y, int(np.random.randint(1, 6)), 0), agent)  # noqa: NPY002

    def reset(self) -> None:
        self.generation += 1
        self.setup_agents()
        super().reset()

    def run_experiment(self, rounds: int, *, loudly: bool = False) -> list[float]:  # pyright: ignore
        rewards = []
        for number in range(rounds):
            self.reset()
            for agent in self.agents:
                agent.model.start_epoch_action(epoch=number)
            for _ in range(self.config.game.turns):
                self.take_turn(number)
            for agent in self.agents:
                agent.model.end_epoch_action(epoch=number)
                agent.model.train_step()
            rewards.append(self.world.total_reward)
        return rewards


def strange_environment(cls: type[StrangeEnvironment] = StrangeEnvironment, **config: Any) -> Any:
    """Build the environment with additional sections in its config."""
    game = {
        "turns": 5,
        "brain": {"layer_size": 8, "epsilon": 0.5, "device": "cpu", "n_frames": 2},
    }
    world = Gridworld(5, 7, 1, default_entity=EmptyEntity())
    return cls(world, OmegaConf.create({"game": game, **config}))
