"""Small models of prime sizes, and helpers that fill their rollouts without an environment."""

import copy
from collections.abc import Collection
from typing import Any

import numpy as np
import torch

from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM

MODELS: dict[str, Any] = {
    "gru_ppo": DualHeadRecurrentPPO,
    "lstm_ppo": RecurrentPPOLSTM,
}
OBS_SIZE, N_ACTIONS = 7, 6

# Every setting that affects the numbers in tests: the packaged defaults may change.
_SMALL: dict[str, Any] = {
    "layer_size": 11,
    "hidden_size": 5,
    "rollout_length": 29,
    "sequence_length": 3,
    "batch_size": 13,
    "n_epochs": 2,
    "learning_rate": 1e-3,
    "learning_rate_end_factor": 1.0,
    "gamma": 0.97,
    "gae_lambda": 0.9,
    "clip_range": 0.2,
    "clip_range_vf": None,
    "entropy_start": 0.01,
    "entropy_end": 0.001,
    "value_coef": 0.5,
    "max_grad_norm": 0.5,
    "target_kl": None,
    "epoch_end": "truncation",
    "normalize_advantage": True,
    "reward_scaling": True,
    "seed": 3,
}


def small_model(
    name: str,
    input_size: Any = (OBS_SIZE,),
    action_space: int = N_ACTIONS,
    **settings: Any,
) -> Any:
    """Return a model with 3 moves and 2 votes for ``gru_ppo``, with 6 actions for ``lstm_ppo``."""
    if name == "gru_ppo" and action_space == N_ACTIONS:
        settings = {"action_dims": [3, 2], **settings}
    return MODELS[name](input_size, action_space, **{**_SMALL, **settings})


def play(
    model: Any, n_steps: int, *, dones: Collection[int] = (), seed: int = 17
) -> tuple[list[int], list[float]]:
    """Take ``n_steps`` with random observations and rewards, ``done`` at the steps in ``dones``.

    Returns:
        The actions and the rewards.
    """
    rng = np.random.default_rng(seed)
    actions, rewards = [], []
    for t in range(n_steps):
        obs = rng.normal(size=model.layout.size).astype(np.float32)
        actions.append(model.take_action(obs))
        rewards.append(float(rng.normal()))
        model.memory.add(obs, actions[-1], rewards[-1], t in dones)
    return actions, rewards


def strengthen_policy(model: Any, factor: float = 200.0) -> None:
    """Scale the actor's weights, so that inputs and states clearly change the policy."""
    with torch.no_grad():
        model.policy.heads.actor.weight.mul_(factor)


def weights(model: Any) -> dict[str, torch.Tensor]:
    """Return copies of the policy's weights."""
    return {name: value.clone() for name, value in model.policy.state_dict().items()}


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Return whether two sets of weights are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def training_snapshot(model: Any) -> Any:
    """Return copies of the rollout, the random states and the counters of training."""
    streams = (model._sampling_rng, model.learner.rng)
    return copy.deepcopy(
        (
            model._rollout.state_dict(),
            [rng.bit_generator.state for rng in streams],
            (model.n_updates, model.num_timesteps, model.diagnostics),
        )
    )
