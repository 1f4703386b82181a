"""Helpers that know nothing of reinforcement learning.

Atomic files, CSV tables, random streams, checks of single values, instance overrides, statistics
over seeds, and the arguments of commands. May import ``errors``.
"""
