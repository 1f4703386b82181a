"""Control models: random, scripted, without memory, and changed in other ways than by settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sorrel.environment import Environment
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.support.instance_overrides import override

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
    """Reset a recurrent model's state to zero before every action, for acting and for training."""
    override(model, "take_action", _take_action_from_zero_state)


def _take_action_from_zero_state(model: Any, state: Any) -> int:
    model._current_hidden = None
    return type(model).take_action(model, state)


def initialise_as_pytorch_does(model: Any, seed: int) -> None:
    """Reinitialise a model's weights with PyTorch's ``reset_parameters`` of each module."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in model.policy.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()


def slow_down_recurrent_layer(model: Any, factor: float) -> None:
    """Scale the optimizer's steps for the recurrent layer's weights by a factor."""
    weights = list(model.policy.core.parameters())
    override(model.optimizer, "step", _scaled_step, weights, factor)


def _scaled_step(optimizer: Any, weights: list[torch.Tensor], factor: float) -> None:
    before = [weight.detach().clone() for weight in weights]
    type(optimizer).step(optimizer)
    with torch.no_grad():
        for weight, old in zip(weights, before, strict=True):
            weight.lerp_(old, 1.0 - factor)


def give_model(env: Environment, model_class: type[Unlearning], seed: int) -> None:
    """Assign a separate non-learning model to every agent."""
    for index, agent in enumerate(env.agents):
        size = int(np.prod(agent.observation_spec.input_size))
        rng = np.random.default_rng([seed, index])
        agent.model = model_class(size, agent.action_spec.n_actions, rng)


class Unlearning(BaseModel):
    """A model that does not learn.

    Args:
        input_size: Size of an observation.
        action_space: Number of actions.
        rng: The generator of random actions.
    """

    def __init__(self, input_size: int, action_space: int, rng: np.random.Generator):
        super().__init__(input_size, action_space, memory_size=1)
        self.rng = rng


class RandomModel(Unlearning):
    """A model that chooses actions uniformly at random."""

    def take_action(self, state: Any) -> int:
        """Return a random action."""
        return int(self.rng.integers(self.action_space))


class TreasurehuntExpert(Unlearning):
    """An expert that walks to the nearest visible gem or food and avoids bones and walls.

    Without a visible goal it walks straight ahead. The channels of treasurehunt's one-hot picture
    are empty, wall, gem, bone, food and agent.
    """

    _heading = 0
    _MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right
    _WALL, _GEM, _BONE, _FOOD, _AGENT = 1, 2, 3, 4, 5

    def take_action(self, state: Any) -> int:
        """Return the next move."""
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
