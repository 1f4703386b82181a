"""Making Sorrel's environments honour the ``model`` and ``replacement`` of their configs.

``install`` wraps ``Environment.__init__``; ``auto_install`` does so in every Hydra application.
May import ``replacement``, ``population`` and what is below them.
"""
