"""Learning from experience: rollout -> sequences -> minibatches -> PPO update.

``settings`` defines the parameters of a model, ``advantages`` and ``losses`` the formulas, ``ppo``
the update. May import ``policy``, ``support`` and ``errors``. Only ``rollout`` imports Sorrel,
whose buffer interface it implements.
"""
