"""A T-shaped maze: a cue at its start says which arm pays, and is out of sight when it counts."""
