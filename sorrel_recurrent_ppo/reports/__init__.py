"""Reports on finished runs: the commands ``compare``, ``evaluate`` and ``inspect``.

May import everything but ``cli``.
"""
