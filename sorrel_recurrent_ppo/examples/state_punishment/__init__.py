"""Foragers who may harm one another, and who vote on how hard harmful gathering is punished."""
