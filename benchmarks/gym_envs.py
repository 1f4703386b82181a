"""The gymnasium environments of the learning benchmark: published memory tasks."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from popgym.core.env import POPGymEnv
from popgym.envs.position_only_cartpole import PositionOnlyCartPoleEasy
from popgym.envs.repeat_first import RepeatFirstEasy
from popgym.envs.repeat_previous import RepeatPreviousEasy
from popgym.wrappers import Flatten, PreviousAction

__all__ = ["ENVIRONMENTS"]


def _popgym(env_class: Callable[[], POPGymEnv]) -> gym.Env:
    """Make a POPGym environment as its authors run it, with the previous action observed."""
    return _as_float32(Flatten(PreviousAction(env_class())))


def _cartpole_without_velocities() -> gym.Env:
    """Make a CartPole that hides velocities and lasts at most 500 steps."""
    env = gym.make("CartPole-v1")
    assert isinstance(env.observation_space, gym.spaces.Box)
    low, high = env.observation_space.low[[0, 2]], env.observation_space.high[[0, 2]]
    space = gym.spaces.Box(low, high, dtype=np.float32)
    return gym.wrappers.TransformObservation(env, lambda obs: obs[[0, 2]], space)


def _as_float32(env: gym.Env) -> gym.Env:
    shape = env.observation_space.shape
    space = gym.spaces.Box(-np.inf, np.inf, shape, np.float32)
    return gym.wrappers.TransformObservation(env, lambda obs: np.asarray(obs, np.float32), space)


ENVIRONMENTS: dict[str, Callable[[], gym.Env]] = {
    "PositionOnlyCartPoleEasy": lambda: _popgym(PositionOnlyCartPoleEasy),
    "RepeatFirstEasy": lambda: _popgym(RepeatFirstEasy),
    "RepeatPreviousEasy": lambda: _popgym(RepeatPreviousEasy),
    "CartPoleNoVel": _cartpole_without_velocities,
}
