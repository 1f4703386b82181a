"""One update of a model: reward scaling, annealing, and the passes over its rollout."""

from __future__ import annotations

import numpy as np

from sorrel_recurrent_ppo.learning.schedules import linear
from sorrel_recurrent_ppo.models.training_state import TrainableModel

__all__ = ["update_policy"]


def update_policy(model: TrainableModel) -> dict[str, float]:
    """Update a model's policy and return scale from its rollout, and return the metrics.

    Raises:
        NumericalError: A loss, a gradient or a weight is not finite.
    """
    settings, rollout = model.settings, model.rollout
    timesteps = model.earlier_timesteps + rollout.size
    arrays = rollout.arrays()
    n_episodes = max(1, int(arrays.episode_ends.sum()))
    episode_reward = float(arrays.rewards.sum(dtype=np.float64)) / n_episodes
    if settings.reward_scaling:
        # Unlike those of the arrays, these ends do not include that of the rollout.
        model.return_scale.observe(arrays.rewards, rollout.episode_ends[: rollout.size])
        arrays = arrays.with_rewards_divided_by(model.return_scale.scale)
    metrics = model.learner.update(
        arrays,
        learning_rate=settings.learning_rate
        * linear(
            1.0, settings.learning_rate_end_factor, timesteps / settings.learning_rate_decay_steps
        ),
        entropy_coef=linear(
            settings.entropy_start, settings.entropy_end, timesteps / settings.entropy_decay_steps
        ),
    )
    return {**metrics, "rollout/ep_rew_mean": episode_reward}
