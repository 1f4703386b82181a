"""The agents over time, of one environment or of several in lockstep: names, models, rewards.

``members`` keeps who is in the group, ``model_choice`` decides which agent gets which model,
``admission`` builds the models and admits the agents, ``lifecycle`` follows resets, turns and runs,
``reconciliation`` follows what environments do to their agents, ``joining`` forms populations over
several environments, ``records`` keeps replacements, ``epoch_metrics`` reports. May import
``registry``, ``models`` and what is below them; knows nothing of schedules or of experiments.
"""
