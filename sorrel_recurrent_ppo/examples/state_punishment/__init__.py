"""A social dilemma: foragers can harm each other, and vote on the level of punishment."""
