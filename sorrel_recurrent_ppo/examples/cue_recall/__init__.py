"""A T-maze memory task: a cue at the start shows which arm is rewarded."""
