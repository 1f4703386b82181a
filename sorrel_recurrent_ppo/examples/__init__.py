"""Sorrel environments that require memory or a composite action."""
