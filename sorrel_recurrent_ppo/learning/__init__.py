"""From what an agent did to a better policy: rollout -> sequences -> minibatches -> PPO update.

``settings`` has all that can be set. May import ``policy``, ``support`` and ``errors``. Only
``rollout`` imports Sorrel, whose buffer interface it has.
"""
