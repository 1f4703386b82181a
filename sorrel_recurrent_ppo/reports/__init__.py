"""Reading finished runs: ``compare``, ``evaluate`` and ``inspect``.

May import everything but ``cli``.
"""
