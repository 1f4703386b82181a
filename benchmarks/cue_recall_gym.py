"""cue_recall as a gymnasium environment, for models that do not run in Sorrel."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sorrel_envs import build_sorrel_env
from sorrel_recurrent_ppo.examples.cue_recall.agents import CueRecallAgent
from sorrel_recurrent_ppo.examples.cue_recall.env import CueRecallEnv
from sorrel_recurrent_ppo.support.randomness import seed_global_generators

__all__ = ["CueRecallGym"]


class CueRecallGym(gym.Env):
    """A lane of cue_recall: an episode is a trial, with the agent's own observation and reward.

    The last ``info`` of an episode has the entry ``is_success``.

    Args:
        overrides: Hydra overrides of the packaged environment config.
    """

    def __init__(self, overrides: tuple[str, ...] = ()) -> None:
        env = build_sorrel_env("cue_recall", None, seed=0, overrides=overrides)
        assert isinstance(env, CueRecallEnv)
        (agent,) = env.agents
        assert isinstance(agent, CueRecallAgent)
        self._world, self._agent = env.world, agent
        self.observation_space = gym.spaces.Box(0.0, 1.0, self._observe().shape, np.float32)
        self.action_space = gym.spaces.Discrete(agent.action_spec.n_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a trial; a seed restarts the global streams, from which Sorrel's worlds draw."""
        super().reset(seed=seed)
        if seed is not None:
            seed_global_generators(seed)
        self._world.move(self._agent, self._world.start(0))
        self._world.begin_trial(0)
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move the agent; a trial that reaches its turn limit is terminated, as in Sorrel."""
        reward = self._agent.act(self._world, int(action))
        outcome = self._world.trials[0].outcome
        info = {} if outcome is None else {"is_success": outcome == "success"}
        return self._observe(), float(reward), outcome is not None, False, info

    def _observe(self) -> np.ndarray:
        return self._agent.pov(self._world)[0].astype(np.float32)
