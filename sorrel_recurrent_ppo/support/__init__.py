"""General helpers, independent of reinforcement learning.

Atomic file writes, CSV tables, random streams, checks of single values, instance overrides,
statistics and command-line settings. May import ``errors``.
"""
