"""The resources of state_punishment."""

from __future__ import annotations

from pathlib import Path

from sorrel.entities import Entity

from sorrel_recurrent_ppo.examples.sprites import sorrel_sprite

__all__ = ["RESOURCES", "Apple", "Coal", "Gem", "Resource"]


class Resource(Entity):
    """An entity that an agent gathers by walking onto it.

    Args:
        value: Reward of the gathering agent.
        harm: Loss of every other agent.
        penalty: Fine of the gathering agent at punishment level 1.
    """

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__()
        self.passable = True
        self.value = value
        self.harm = harm
        self.penalty = penalty


class Apple(Resource):
    """A harmless resource."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = sorrel_sprite("examples/cleanup/assets/apple.png")


class Coal(Resource):
    """A resource that harms all other agents slightly."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = Path(__file__).parent / "assets/coal.png"


class Gem(Resource):
    """The most valuable resource, and the most harmful to all other agents."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = sorrel_sprite("entities/assets/gem.png")


RESOURCES: dict[str, type[Resource]] = {"apple": Apple, "coal": Coal, "gem": Gem}
