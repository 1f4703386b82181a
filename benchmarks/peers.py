"""The peers of the throughput benchmark: Sorrel's IQN and sb3-contrib's RecurrentPPO."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sorrel.models.pytorch import PyTorchIQN
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from workloads import EPOCH_TURNS, Workload

__all__ = ["IQN_FRAMES", "SB3_BATCH_SIZES", "build_iqn", "build_sb3", "sb3_settings"]

IQN_FRAMES = 5
SB3_BATCH_SIZES = (64, 250, 500, 1000)


def build_iqn(workload: Workload, *, epsilon: float) -> PyTorchIQN:
    """Build Sorrel's IQN with the parameters of Sorrel's treasurehunt.

    Args:
        workload: The observation and action spaces.
        epsilon: Fraction of random actions; with 0 every action is computed.
    """
    return PyTorchIQN(
        input_size=(workload.obs_size,),
        action_space=workload.n_actions,
        layer_size=250,
        epsilon=epsilon,
        device="cpu",
        seed=0,
        n_frames=IQN_FRAMES,
        n_step=3,
        sync_freq=200,
        model_update_freq=4,
        batch_size=64,
        memory_size=1024,
        LR=0.00025,
        TAU=0.001,
        GAMMA=0.99,
        n_quantiles=12,
    )


class FreeEnv(gym.Env):
    """An environment with precomputed observations, whose cost is negligible.

    Args:
        workload: The observation and action spaces.
    """

    def __init__(self, workload: Workload):
        self._observations = workload.observations(1_000)[:, 0].astype(np.float32)
        self.observation_space = spaces.Box(0.0, 1.0, (workload.obs_size,), np.float32)
        self.action_space = spaces.Discrete(workload.n_actions)
        self._turn = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode, which lasts ``EPOCH_TURNS`` steps."""
        return self._observations[self._turn % len(self._observations)], {}

    def step(self, action: Any):
        """Return the next observation."""
        self._turn += 1
        obs = self._observations[self._turn % len(self._observations)]
        reward = 1.0 if self._turn % 7 == 0 else 0.0
        return obs, reward, self._turn % EPOCH_TURNS == 0, False, {}


class OneLayer(BaseFeaturesExtractor):
    """The layer before the recurrent layer, equal to this package's encoder."""

    def __init__(self, observation_space: spaces.Box, features_dim: int):
        super().__init__(observation_space, features_dim)
        self.linear = torch.nn.Linear(observation_space.shape[0], features_dim)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Map ``(N, size)`` to ``(N, features_dim)``."""
        return torch.relu(self.linear(observations))


def sb3_settings(workload: Workload, *, batch_size: int) -> dict[str, Any]:
    """Return the settings with which RecurrentPPO equals the workload's model.

    Actor and critic share one recurrent layer (``shared_lstm``), as in this package; the default of
    two layers would be slower.
    """
    ours = workload.settings
    return {
        "policy": "MlpLstmPolicy",
        "n_steps": ours["rollout_length"],
        "batch_size": batch_size,
        "n_epochs": ours["n_epochs"],
        "device": "cpu",
        "seed": 0,
        "policy_kwargs": {
            "lstm_hidden_size": ours["hidden_size"],
            "shared_lstm": True,
            "enable_critic_lstm": False,
            "net_arch": [],
            "features_extractor_class": OneLayer,
            "features_extractor_kwargs": {"features_dim": ours["layer_size"]},
        },
    }


def build_sb3(workload: Workload, *, batch_size: int) -> RecurrentPPO:
    """Build sb3-contrib's RecurrentPPO with an environment of negligible cost."""
    return RecurrentPPO(env=FreeEnv(workload), **sb3_settings(workload, batch_size=batch_size))
