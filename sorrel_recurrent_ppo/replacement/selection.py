"""Which agents are chosen to be replaced: a pure function of ages, rewards and a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.support.checks import (
    check_choice,
    check_integer,
    check_integers,
    check_number,
)
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["MODES", "SelectionRule", "select_agents"]

type Rewards = Sequence[Sequence[float]]

# The one option that each mode cannot do without.
_NEEDS = {
    "first_n": "count",
    "random": "count",
    "specified_ids": "agent_ids",
    "probability": "probability",
    "random_with_tenure": "count",
    "oldest": "count",
    "lowest_reward": "count",
    "highest_reward": "count",
}
MODES = tuple(_NEEDS)
_BY_REWARD = ("lowest_reward", "highest_reward")


@dataclass(frozen=True, kw_only=True)
class SelectionRule:
    """How agents are chosen; see :func:`select_agents` for the meaning of each field.

    Raises:
        ConfigError: The mode is unknown, an option it needs is missing, one it does not use is
            given, or a value is out of range.
    """

    mode: str
    count: int | None = None
    probability: float | None = None
    agent_ids: tuple[int, ...] | None = None
    minimum_tenure: int = 0
    reward_window: int = 10

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        self._check_options()
        if self.count is not None:
            check_integer("count", self.count, 1)
        if self.probability is not None:
            check_number("probability", self.probability, low=0.0, high=1.0)
        if self.agent_ids is not None:
            object.__setattr__(self, "agent_ids", _checked_ids(self.agent_ids))
        tenured = self.mode == "random_with_tenure"
        check_integer("minimum_tenure", self.minimum_tenure, 1 if tenured else 0)
        check_integer("reward_window", self.reward_window, 1)

    def _check_options(self) -> None:
        needed = _NEEDS[self.mode]
        given = [o for o in ("count", "probability", "agent_ids") if getattr(self, o) is not None]
        if needed not in given:
            raise ConfigError(f"mode '{self.mode}' needs '{needed}'")
        for option in given:
            if option != needed:
                raise ConfigError(
                    f"mode '{self.mode}' makes no use of '{option}' "
                    f"(given: {getattr(self, option)!r}); set it to null"
                )

    @property
    def youngest_eligible(self) -> int:
        """Epochs an agent must have been in the group before this rule can choose it."""
        return max(self.minimum_tenure, 1 if self.mode in _BY_REWARD else 0)

    def check_group(self, n_agents: int) -> None:
        """Raise ConfigError where the rule asks for agents that a group of this size lacks."""
        if self.count is not None and self.count > n_agents:
            raise ConfigError(
                f"count={self.count} is more than the group's {counted(n_agents, 'agent')}"
            )
        missing = [i for i in self.agent_ids or () if i >= n_agents]
        if missing:
            raise ConfigError(
                f"agent_ids={list(self.agent_ids or ())} names {missing}, but the group's "
                f"{n_agents} agents are 0 to {n_agents - 1}"
            )

    def eligible(self, tenures: Sequence[int]) -> list[int]:
        """Return the indices of the agents that are old enough."""
        return [i for i, tenure in enumerate(tenures) if tenure >= self.youngest_eligible]

    def select(
        self,
        tenures: Sequence[int],
        rng: np.random.Generator,
        rewards: Rewards | None = None,
    ) -> tuple[int, ...]:
        """Choose agents; see :func:`select_agents`."""
        self.check_group(len(tenures))
        eligible = self.eligible(tenures)
        match self.mode:
            case "first_n":
                chosen = eligible[: self.count]
            case "random" | "random_with_tenure":
                size = min(self.count or 0, len(eligible))
                chosen = rng.permutation(eligible)[:size]
            case "specified_ids":
                chosen = set(self.agent_ids or ()).intersection(eligible)
            case "probability":
                # A draw for every agent, so that no agent's draw depends on another's age.
                draws = rng.random(len(tenures))
                chosen = [i for i in eligible if draws[i] < (self.probability or 0.0)]
            case "oldest":
                chosen = sorted(eligible, key=lambda i: (-tenures[i], i))[: self.count]
            case _:
                chosen = self._ranked_by_reward(eligible, rewards)[: self.count]
        return tuple(sorted(int(i) for i in chosen))

    def _ranked_by_reward(self, eligible: list[int], rewards: Rewards | None) -> list[int]:
        """Order indices by mean reward, those to be chosen first."""
        if rewards is None or len(rewards) <= max(eligible, default=-1):
            given = "none" if rewards is None else f"those of {len(rewards)}"
            raise ConfigError(f"mode '{self.mode}' needs the rewards of every agent, not {given}")
        sign = 1.0 if self.mode == "lowest_reward" else -1.0
        means = {i: _mean_of_last(rewards[i], self.reward_window, i) for i in eligible}
        return sorted(eligible, key=lambda i: (sign * means[i], i))


def select_agents(
    mode: str,
    tenures: Sequence[int],
    *,
    rewards: Rewards | None = None,
    seed: int | np.random.Generator = 0,
    **options: Any,
) -> tuple[int, ...]:
    """Choose the agents of a group that are to be replaced.

    No agent younger than ``minimum_tenure`` is ever chosen, whatever the mode. When fewer are old
    enough than ``count``, those that are get chosen. Ties go to the lower index.

    Args:
        mode: ``first_n`` (the lowest indices), ``random`` (without replacement),
            ``specified_ids``, ``probability`` (each agent independently), ``random_with_tenure``
            (``random`` that insists on a ``minimum_tenure``), ``oldest`` (longest in the group),
            ``lowest_reward`` or ``highest_reward`` (mean reward of an epoch, over the last
            ``reward_window`` of them that the agent has completed).
        tenures: Epochs each agent has completed in the group, by index.
        rewards: Each agent's rewards of these epochs, or at least of the last ``reward_window``,
            the latest last; only the modes by reward read them.
        seed: Seed of the choice, or a generator to draw from.
        **options: ``count``, ``probability``, ``agent_ids`` (indices), ``minimum_tenure`` (0) and
            ``reward_window`` (10 epochs).

    Returns:
        The chosen indices, ascending.

    Raises:
        ConfigError: The mode or an option is unknown, missing, of no use to the mode or out of
            range; more agents are asked for than there are, or one that is not there.
    """
    names = ("count", "probability", "agent_ids", "minimum_tenure", "reward_window")
    for name in options:
        if name not in names:
            raise ConfigError(unknown_name("select_agents has no option", name, names))
    rule = SelectionRule(mode=mode, **options)
    return rule.select(tenures, np.random.default_rng(seed), rewards)


def _mean_of_last(rewards: Sequence[float], window: int, index: int) -> float:
    last = rewards[-window:]
    mean = math.fsum(last) / len(last) if last else math.nan
    if not math.isfinite(mean):
        raise ConfigError(f"agent {index} cannot be ranked by its rewards {list(last)}")
    return mean


def _checked_ids(value: Any) -> tuple[int, ...]:
    indices = check_integers("agent_ids", value, 0)
    if len(set(indices)) < len(indices):
        raise ConfigError(f"agent_ids names an agent twice: {list(indices)}")
    return indices
