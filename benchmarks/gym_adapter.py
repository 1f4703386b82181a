"""Runs a model of ours in a gymnasium environment, through the hooks that Sorrel's runner calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["Episode", "build_for", "evaluate", "train"]


@dataclass(frozen=True)
class Episode:
    """A whole episode.

    Attributes:
        end_step: Agent steps taken in all when it ended.
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
    """Train a model.

    An epoch is some episodes. Termination is ``done``, after which the model starts anew by
    itself; a truncation ends the epoch without ``done``, as Sorrel's turn limit does.

    Args:
        model: The model.
        env: Any environment with a flat observation and discrete actions.
        n_steps: Agent steps to take at least; the last episode is completed.
        seed: Seed of the environment.
        episodes_per_epoch: Episodes of an epoch, unless a truncation ends it before.

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
    """Return the scores of episodes in which the model takes its most probable actions."""
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
    """Run one episode; returns its score, its length, and whether it was cut off."""
    obs, _ = env.reset(seed=seed)
    score, length, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        action = model.take_action(obs)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        model.memory.add(obs, action, float(reward), bool(terminated))
        score, length, obs = score + float(reward), length + 1, next_obs
    return score, length, not terminated
