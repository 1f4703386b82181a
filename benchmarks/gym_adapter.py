"""Train and evaluate a recurrent PPO model in a gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["Episode", "build_for", "evaluate", "train"]


@dataclass(frozen=True)
class Episode:
    """A complete episode.

    Attributes:
        end_step: Total number of agent steps at its end.
        score: Sum of its rewards.
    """

    end_step: int
    score: float


def build_for(env: gym.Env, model_class: type[RecurrentPPO], **parameters: Any) -> RecurrentPPO:
    """Build a model for an environment with a flat observation and discrete actions."""
    assert isinstance(env.observation_space, gym.spaces.Box)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    return model_class(env.observation_space.shape, int(env.action_space.n), **parameters)


def train(
    model: RecurrentPPO, env: gym.Env, n_steps: int, *, seed: int, episodes_per_epoch: int = 1
) -> list[Episode]:
    """Train a model, calling its hooks in the order of Sorrel's runner.

    An epoch is one or more episodes. Termination is passed to the model as ``done``, after which
    the model resets its state. A truncation ends the epoch without ``done``, as Sorrel's turn limit
    does.

    Args:
        model: The model.
        env: An environment with a flat observation and discrete actions.
        n_steps: Minimum number of agent steps; the last episode is completed.
        seed: Seed of the environment.
        episodes_per_epoch: Number of episodes per epoch, unless a truncation ends it earlier.

    Returns:
        The episodes, in order.
    """
    episodes: list[Episode] = []
    steps = epoch = 0
    while steps < n_steps:
        model.start_epoch_action(epoch=epoch)
        for _ in range(episodes_per_epoch):
            score, length, truncated = _episode(model, env, seed if not episodes else None)
            steps += length
            episodes.append(Episode(steps, score))
            if truncated or steps >= n_steps:
                break
        model.end_epoch_action(epoch=epoch)
        model.train_step()
        epoch += 1
    return episodes


def evaluate(
    model: RecurrentPPO, make_env: Callable[[], gym.Env], n_episodes: int, *, seed: int
) -> list[float]:
    """Return the scores of episodes in which the model takes the most probable actions."""
    env = make_env()
    model.eval()
    model.deterministic = True
    scores = []
    for i in range(n_episodes):
        model.start_epoch_action(epoch=i)
        scores.append(_episode(model, env, seed if i == 0 else None)[0])
        model.end_epoch_action(epoch=i)
    model.deterministic = False
    model.train()
    return scores


def _episode(model: RecurrentPPO, env: gym.Env, seed: int | None) -> tuple[float, int, bool]:
    """Run one episode; return its score, its length and whether it was truncated."""
    obs, _ = env.reset(seed=seed)
    score, length, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        action = model.take_action(obs)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        model.memory.add(obs, action, float(reward), bool(terminated))
        score, length, obs = score + float(reward), length + 1, next_obs
    return score, length, not terminated
