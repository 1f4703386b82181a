"""A member of a population: an agent by its lasting name, with its model and its rewards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = ["REWARDS_KEPT", "Member"]

REWARDS_KEPT = 100


@dataclass
class Member:
    """One agent of a population. A newcomer that replaces it is another member.

    Attributes:
        index: Its index in the population, over all environments; a newcomer takes the index of
            the member that it replaces.
        name: Its lasting name: "0" to "n-1" for the first members, newcomers count on.
        model_name: Its model's registry name, or the class name of a model that has none.
        joined_epoch: The epoch that was running when it joined; -1 before the first.
        seed: The seed that its model was built with, if known.
        kind: Its kind: as the config calls it, else Sorrel's name of its class.
        own_model: Registry name of the model that the environment gave the agent, if it has one.
        epoch_reward: Its reward so far in this epoch.
        n_epochs: Number of epochs that it completed.
        rewards: Its rewards in the latest of them, at least the last `REWARDS_KEPT`.
        n_steps: Steps that it has completed in this epoch.
        was_resumed: Whether it has been logged that its training was resumed.
        agent: The agent object.
        model: The model that was last seen with the agent.
    """

    index: int
    name: str
    model_name: str
    joined_epoch: int
    seed: int | None
    kind: str = ""
    own_model: str | None = None
    epoch_reward: float = 0.0
    n_epochs: int = 0
    rewards: list[float] = field(default_factory=list)
    n_steps: int = 0
    was_resumed: bool = False
    agent: Any = field(default=None, repr=False, compare=False)
    model: Any = field(default=None, repr=False, compare=False)

    SAVED: ClassVar[tuple[str, ...]] = (
        "index",
        "name",
        "model_name",
        "joined_epoch",
        "seed",
        "kind",
        "own_model",
        "epoch_reward",
        "n_epochs",
    )

    def complete_epoch(self, n_kept: int) -> None:
        """Count an epoch, and keep the rewards of the latest ones."""
        self.n_epochs += 1
        self.rewards.append(self.epoch_reward)
        del self.rewards[: -max(n_kept, REWARDS_KEPT)]

    @classmethod
    def from_state(cls, saved: Mapping[str, Any]) -> Member:
        """Return a member without agent from what :meth:`state_dict` returned.

        States of version 0.1.0 have no kind, and the rewards of all epochs.
        """
        values = {name: saved[name] for name in (*cls.SAVED, "rewards") if name in saved}
        return cls(**{"n_epochs": len(saved["rewards"]), **values})

    def state_dict(self) -> dict[str, Any]:
        """Return what a run's state holds of the member, as plain values."""
        return {**{name: getattr(self, name) for name in self.SAVED}, "rewards": [*self.rewards]}
