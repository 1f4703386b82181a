"""The gymnasium environments of the learning benchmark: published memory tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gymnasium as gym
import numpy as np
from popgym.core.env import POPGymEnv
from popgym.envs.concentration import ConcentrationEasy
from popgym.envs.minesweeper import MineSweeperEasy
from popgym.envs.noisy_position_only_cartpole import NoisyPositionOnlyCartPoleMedium
from popgym.envs.position_only_cartpole import (
    PositionOnlyCartPoleEasy,
    PositionOnlyCartPoleMedium,
)
from popgym.envs.repeat_first import RepeatFirstEasy, RepeatFirstMedium
from popgym.envs.repeat_previous import RepeatPreviousEasy
from popgym.envs.velocity_only_cartpole import VelocityOnlyCartPoleEasy
from popgym.wrappers import DiscreteAction, Flatten, PreviousAction

__all__ = ["ENVIRONMENTS", "POPGYM"]


def _popgym(env_class: Callable[[], POPGymEnv]) -> gym.Env:
    """Make a POPGym environment as its authors run it, with the previous action observed."""
    env = Flatten(PreviousAction(env_class()))
    if not isinstance(env.action_space, gym.spaces.Discrete):
        env = DiscreteAction(env)
    return _as_float32(env)


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


POPGYM: dict[str, Callable[[], POPGymEnv]] = {
    env_class.__name__: env_class
    for env_class in (
        PositionOnlyCartPoleEasy,
        RepeatFirstEasy,
        RepeatPreviousEasy,
        RepeatFirstMedium,
        PositionOnlyCartPoleMedium,
        VelocityOnlyCartPoleEasy,
        NoisyPositionOnlyCartPoleMedium,
        ConcentrationEasy,
        MineSweeperEasy,
    )
}

ENVIRONMENTS: dict[str, Callable[[], gym.Env]] = {
    **{name: partial(_popgym, env_class) for name, env_class in POPGYM.items()},
    "CartPoleNoVel": _cartpole_without_velocities,
}
