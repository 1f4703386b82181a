"""Sorrel environments that ask for what recurrent agents have: memory and a composite action."""
