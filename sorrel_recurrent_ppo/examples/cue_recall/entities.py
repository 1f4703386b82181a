"""The entities of cue_recall."""

from __future__ import annotations

from pathlib import Path

from sorrel.entities import Entity

from sorrel_recurrent_ppo.examples.sprites import sorrel_sprite

__all__ = ["Arm", "CueLeft", "CueRight", "SymbolA", "SymbolB"]

_ASSETS = Path(__file__).parent / "assets"


class Arm(Entity):
    """The end of an arm of the T, where a trial ends.

    Agents observe an entity's kind, which is the same for both arms. The sprite, which differs,
    appears only in animations.

    Args:
        pays: Whether this is the rewarded arm, to which the cue points.
        value: The reward for entering it.
    """

    def __init__(self, pays: bool, value: float):
        super().__init__()
        self.passable = True
        self.pays = pays
        self.value = value
        sprite = "food" if pays else "bone"
        self.sprite = sorrel_sprite(f"examples/treasurehunt/assets/{sprite}.png")


class CueLeft(Entity):
    """A sign on the end wall: the left arm is rewarded."""

    def __init__(self):
        super().__init__()
        self.sprite = _ASSETS / "cue-left.png"


class CueRight(Entity):
    """A sign on the end wall: the right arm is rewarded."""

    def __init__(self):
        super().__init__()
        self.sprite = _ASSETS / "cue-right.png"


class SymbolA(Entity):
    """A symbol on a corridor's wall, without meaning.

    Args:
        value: The reward of walking into it, that of a wall.
    """

    def __init__(self, value: float):
        super().__init__()
        self.value = value
        self.sprite = sorrel_sprite("examples/iowa/assets/deck-a.png")


class SymbolB(SymbolA):
    """The other symbol."""

    def __init__(self, value: float):
        super().__init__(value)
        self.sprite = sorrel_sprite("examples/iowa/assets/deck-b.png")
