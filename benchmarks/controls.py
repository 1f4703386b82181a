"""Who shows what scores mean: chance, no memory, an expert, and ours changed beyond settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sorrel.environment import Environment
from sorrel.models import BaseModel

__all__ = [
    "RandomModel",
    "TreasurehuntExpert",
    "Unlearning",
    "forget_between_steps",
    "give_model",
    "initialise_as_pytorch_does",
    "slow_down_recurrent_layer",
]


def forget_between_steps(model: Any) -> None:
    """Zero a recurrent model's state before every action, in acting and so in training too."""
    take_action = model.take_action

    def take_action_without_memory(state: Any) -> int:
        model._current_hidden = None
        return take_action(state)

    model.take_action = take_action_without_memory


def initialise_as_pytorch_does(model: Any, seed: int) -> None:
    """Draw a model's weights anew, by its modules' own ``reset_parameters``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in model.policy.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()


def slow_down_recurrent_layer(model: Any, share: float) -> None:
    """Let the recurrent layer's weights go only a share of each step of the optimizer."""
    whole_step, weights = model.optimizer.step, list(model.policy.core.parameters())

    def step() -> None:
        before = [weight.detach().clone() for weight in weights]
        whole_step()
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.lerp_(old, 1.0 - share)

    model.optimizer.step = step


def give_model(env: Environment, model_class: type[Unlearning], seed: int) -> None:
    """Give every agent a model of its own that does not learn."""
    for index, agent in enumerate(env.agents):
        size = int(np.prod(agent.observation_spec.input_size))
        rng = np.random.default_rng([seed, index])
        agent.model = model_class(size, agent.action_spec.n_actions, rng)


class Unlearning(BaseModel):
    """A model that does not learn.

    Args:
        input_size: Floats of an observation.
        action_space: Number of actions.
        rng: Where its choices draw from.
    """

    def __init__(self, input_size: int, action_space: int, rng: np.random.Generator):
        super().__init__(input_size, action_space, memory_size=1)
        self.rng = rng


class RandomModel(Unlearning):
    """Takes every action equally often."""

    def take_action(self, state: Any) -> int:
        """Return a random action."""
        return int(self.rng.integers(self.action_space))


class TreasurehuntExpert(Unlearning):
    """Walks to the nearest visible gem or food, around bones and walls; else straight on.

    For treasurehunt's one-hot picture: empty, wall, gem, bone, food, agent.
    """

    _heading = 0
    _MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right
    _WALL, _GEM, _BONE, _FOOD, _AGENT = 1, 2, 3, 4, 5

    def take_action(self, state: Any) -> int:
        """Return the next step of the way."""
        side = round((np.size(state) / 6) ** 0.5)
        picture = np.reshape(state, (6, side, side)) > 0
        centre = side // 2
        blocked = picture[self._WALL] | picture[self._BONE] | picture[self._AGENT]
        open_moves = [
            k for k, (dy, dx) in enumerate(self._MOVES) if not blocked[centre + dy, centre + dx]
        ]
        if not open_moves:
            return int(self.rng.integers(4))
        goals = np.argwhere(picture[self._GEM] | picture[self._FOOD]) - centre
        if len(goals):
            goal = min(goals.tolist(), key=lambda g: (abs(g[0]) + abs(g[1]), g))
            return min(open_moves, key=lambda k: _distance_after(self._MOVES[k], goal))
        if self._heading not in open_moves or self.rng.random() < 0.05:
            self._heading = int(self.rng.choice(open_moves))
        return self._heading


def _distance_after(move: tuple[int, int], goal: list[int]) -> int:
    return abs(goal[0] - move[0]) + abs(goal[1] - move[1])
