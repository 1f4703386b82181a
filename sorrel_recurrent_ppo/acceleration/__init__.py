"""Exact, faster equivalents of slow functions of Sorrel, switched on by `accelerate`.

Nothing happens when these modules are imported. May import ``support`` and what is below it.
"""
