"""What agents saw, did and remembered: the recorded steps, and pictures of them.

May import ``support``, ``policy`` and ``errors``; matplotlib is imported where it is used.
"""
