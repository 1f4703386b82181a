"""The agents of an environment over time: names, models, rewards.

``members`` keeps who is in the group, ``model_choice`` reads from a config which agent gets which
model, ``assignment`` builds the models and attaches them, ``lifecycle`` keeps the population up to
date at every reset and run, ``epoch_metrics`` reports it. May import ``registry``, ``models`` and
what is below them; knows nothing of replacement or of a run's files.
"""
