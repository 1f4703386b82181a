"""The workloads of the throughput benchmark, and functions that run models on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPO, RecurrentPPOLSTM

__all__ = [
    "EPOCH_TURNS",
    "FLAT150",
    "GRID",
    "PICTURE",
    "Workload",
    "act",
    "build_model",
    "run_epochs",
]

EPOCH_TURNS = 100
_CLASSES = {"gru_ppo": DualHeadRecurrentPPO, "lstm_ppo": RecurrentPPOLSTM}


@dataclass(frozen=True)
class Workload:
    """An observation space, an action space and a model with its settings.

    Attributes:
        name: Name of the workload.
        model: Registry name of the model.
        obs_size: Size of an observation.
        n_actions: Number of flat actions.
        settings: Overrides of the model's packaged settings.
    """

    name: str
    model: str
    obs_size: int
    n_actions: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def observations(self, n: int) -> np.ndarray:
        """Return random observations ``(n, 1, obs_size)``, shaped like those of Sorrel's agents."""
        rng = np.random.default_rng(0)
        return rng.integers(0, 2, (n, 1, self.obs_size)).astype(np.float64)


# sequence_length = EPOCH_TURNS: back-propagation through the complete episode.
_UPDATE = {
    "target_kl": None,  # every contestant makes all passes
    "rollout_length": 1_000,
    "n_epochs": 4,
    "batch_size": 256,
    "sequence_length": EPOCH_TURNS,
    "hidden_size": 256,
    "layer_size": 256,
}
FLAT150 = Workload("flat150", "lstm_ppo", 150, 4, {**_UPDATE, "obs_type": "flattened"})
PICTURE = Workload(
    "picture", "lstm_ppo", 6 * 5 * 5, 4, {**_UPDATE, "obs_type": "image", "obs_dim": [6, 5, 5]}
)
GRID = Workload(
    "grid",
    "gru_ppo",
    5 * 11 * 11 + 3,
    15,
    {**_UPDATE, "obs_type": "image", "obs_dim": [5, 11, 11], "action_dims": [5, 3]},
)


def build_model(workload: Workload, *, seed: int = 0, **overrides: Any) -> RecurrentPPO:
    """Build the workload's model, with further overrides of its settings."""
    return _CLASSES[workload.model](
        (workload.obs_size,), workload.n_actions, seed=seed, **{**workload.settings, **overrides}
    )


def act(model: Any, observations: np.ndarray, n_turns: int) -> None:
    """Take and store ``n_turns`` actions of an epoch, cycling through the observations.

    Args:
        model: A Sorrel model.
        observations: Arguments of ``take_action``, with the turn as the first axis.
        n_turns: Number of turns.
    """
    stored = observations.reshape(len(observations), -1)[:, -model.memory.states.shape[1] :]
    for turn in range(n_turns):
        i = turn % len(observations)
        action = model.take_action(observations[i])
        model.memory.add(stored[i : i + 1], action, 1.0 if turn % 7 == 0 else 0.0, False)


def run_epochs(model: Any, observations: np.ndarray, n_epochs: int) -> None:
    """Run epochs of ``EPOCH_TURNS`` turns as Sorrel does, including training."""
    for epoch in range(n_epochs):
        model.start_epoch_action(epoch=epoch)
        act(model, observations, EPOCH_TURNS)
        model.end_epoch_action(epoch=epoch)
        model.train_step()
