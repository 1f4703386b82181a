"""A run from its config to its files: what ``sorrel-recurrent-ppo run`` does."""
