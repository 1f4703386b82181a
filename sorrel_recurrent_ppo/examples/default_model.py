"""The default model of the agents in these examples: Sorrel's IQN."""

from __future__ import annotations

from sorrel.action.action_spec import ActionSpec
from sorrel.models.pytorch import PyTorchIQN
from sorrel.observation.observation_spec import ObservationSpec

from sorrel_recurrent_ppo.examples.world_random import random_index

__all__ = ["build_iqn"]


def build_iqn(observation_spec: ObservationSpec, action_spec: ActionSpec) -> PyTorchIQN:
    """Return Sorrel's IQN with the parameters of Sorrel's treasurehunt.

    Its seed is drawn from numpy's global generator, which the run's seed initialises.
    """
    return PyTorchIQN(
        input_size=observation_spec.input_size,
        action_space=action_spec.n_actions,
        layer_size=250,
        epsilon=0.6,
        device="cpu",
        seed=random_index(2**31),
        n_frames=5,
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
