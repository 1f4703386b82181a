"""``sorrel-recurrent-ppo run``: an experiment from its config to its files.

``run`` is the Hydra application, ``experiment`` runs one job. ``resume`` saves and restores a run,
``logging`` records its epochs. May import everything but ``reports`` and ``cli``.
"""
