"""Recorded observations, actions and hidden states of agents, and plots of them.

May import ``support``, ``policy`` and ``errors``. The plotting modules import matplotlib; importing
the package alone does not.
"""
