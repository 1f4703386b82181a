"""What lies on the field of state_punishment."""

from __future__ import annotations

from pathlib import Path

from sorrel.entities import Entity

from sorrel_recurrent_ppo.examples.sprites import sorrel_sprite

__all__ = ["RESOURCES", "Apple", "Coal", "Gem", "Resource"]


class Resource(Entity):
    """Something that an agent gathers by walking onto it.

    Args:
        value: Reward of the agent that gathers it.
        harm: What every other agent loses by that.
        penalty: What the agent that gathers it pays when the level of punishment is 1.
    """

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__()
        self.passable = True
        self.value = value
        self.harm = harm
        self.penalty = penalty


class Apple(Resource):
    """Food, and no harm to anybody."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = sorrel_sprite("examples/cleanup/assets/apple.png")


class Coal(Resource):
    """Warms the one who burns it; everybody else breathes the smoke."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = Path(__file__).parent / "assets/coal.png"


class Gem(Resource):
    """Makes the one who digs it up rich; everybody else drinks what the mine leaves behind."""

    def __init__(self, value: float, harm: float, penalty: float):
        super().__init__(value, harm, penalty)
        self.sprite = sorrel_sprite("entities/assets/gem.png")


RESOURCES: dict[str, type[Resource]] = {"apple": Apple, "coal": Coal, "gem": Gem}
