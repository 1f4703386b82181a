"""The maze of cue_recall: T-shaped lanes, and the current trial of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from omegaconf import DictConfig, OmegaConf
from sorrel.entities import Entity
from sorrel.entities.basic_entities import Wall
from sorrel.examples.treasurehunt.entities import Sand
from sorrel.worlds import Gridworld

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.examples.cue_recall.entities import (
    Arm,
    CueLeft,
    CueRight,
    SymbolA,
    SymbolB,
)
from sorrel_recurrent_ppo.examples.world_random import random_index
from sorrel_recurrent_ppo.support.checks import check_flag, check_integer

__all__ = ["CueRecallWorld", "Side", "Trial"]

type Side = Literal["left", "right"]
type Cell = tuple[int, int, int]

_FLOOR, _OBJECTS = 0, 1
_LANE_PITCH = 4  # wall, arm, stem, arm; the next lane's wall closes the lane
_JUNCTION_ROW = 1


@dataclass
class Trial:
    """One passage through a lane, from the cue to the end of an arm.

    Attributes:
        cue: The rewarded side.
        first_turn: The first turn of the trial within the epoch, counted from 1.
        turns: Number of turns so far.
        outcome: The result; ``None`` while the trial is running.
    """

    cue: Side
    first_turn: int
    turns: int = 0
    outcome: Literal["success", "failure", "timeout"] | None = None


class CueRecallWorld(Gridworld):
    """T-shaped lanes side by side, one per agent.

    A lane from above, with a corridor of two steps from the start (S) to the junction (J)::

        # # # # #
        # a J a #      a: the ends of the arms
        # #   # #
        # # S # #
        # c c c #      c: the cue, signs on the end wall

    Attributes:
        corridor: Number of steps from the start to the junction.
        distractors: Whether the walls along the corridors bear random symbols, new in every trial.
        turn_limit: Number of turns after which a trial ends without an arm.
        max_turns: Number of turns in an epoch.
        trials: The latest trial of each lane, by lane index.
    """

    def __init__(self, config: dict | DictConfig, default_entity):
        if not isinstance(config, DictConfig):
            config = OmegaConf.create(config)
        self.corridor = int(config.world.corridor)
        self.distractors = config.world.get("distractors", False)
        self.lanes = int(config.agent.num_agents)
        self.turn_limit = 3 * self.corridor + 10
        self.values = {
            "success": float(config.world.success_value),
            "failure": float(config.world.failure_value),
            "wall": float(config.world.wall_value),
        }
        self.trials: dict[int, Trial] = {}
        height, width = self.corridor + 3, _LANE_PITCH * self.lanes + 1
        super().__init__(height, width, 2, default_entity)
        self.max_turns = int(config.experiment.max_turns)
        self._validate(int(config.agent.vision_radius))

    def _validate(self, vision_radius: int) -> None:
        check_integer("agent.num_agents", self.lanes, 1)
        check_flag("world.distractors", self.distractors)
        if not 1 <= vision_radius <= self.corridor:
            raise ConfigError(
                f"world.corridor={self.corridor} with agent.vision_radius={vision_radius}: the "
                "vision radius must be at least 1, so that the cue is visible at the start, and at "
                "most the corridor's length, so that it is not visible at the junction"
            )
        if self.max_turns < self.turn_limit:
            raise ConfigError(
                f"experiment.max_turns={self.max_turns} is too short for a single trial: expected "
                f"at least {self.turn_limit} turns with world.corridor={self.corridor}"
            )

    def start(self, lane: int) -> Cell:
        """Return the start cell of a lane."""
        return (_JUNCTION_ROW + self.corridor, self._stem(lane), _OBJECTS)

    def build(self) -> None:
        """Add the walls and the floor to an empty world."""
        passages = {cell for lane in range(self.lanes) for cell in self._passage(lane)}
        for row, column in np.ndindex(self.height, self.width):
            if (row, column) in passages:
                self.add((row, column, _FLOOR), Sand())
            else:
                self.add((row, column, _OBJECTS), self._wall())

    def begin_trial(self, lane: int) -> None:
        """Draw a new cue for a lane and add its signs and arms."""
        cue: Side = ("left", "right")[random_index(2)]
        row, stem, _ = self.start(lane)
        for column in (stem - 1, stem, stem + 1):
            self.add((row + 1, column, _OBJECTS), CueLeft() if cue == "left" else CueRight())
        for side, column in (("left", stem - 1), ("right", stem + 1)):
            pays = side == cue
            arm = Arm(pays, self.values["success" if pays else "failure"])
            self.add((_JUNCTION_ROW, column, _OBJECTS), arm)
        if self.distractors:
            self._add_symbols(lane)
        self.trials[lane] = Trial(cue=cue, first_turn=self.turn)

    def _add_symbols(self, lane: int) -> None:
        """Draw a symbol or a plain wall for each cell beside a lane's corridor."""
        start_row, stem, _ = self.start(lane)
        for row in range(_JUNCTION_ROW + 1, start_row + 1):
            for column in (stem - 1, stem + 1):
                drawn = (None, SymbolA, SymbolB)[random_index(3)]
                wall = drawn(self.values["wall"]) if drawn else self._wall()
                self.add((row, column, _OBJECTS), wall)

    def _wall(self) -> Wall:
        wall = Wall()
        wall.value = self.values["wall"]
        return wall

    def note_step(self, lane: int, target: Entity) -> None:
        """Count a step of a lane's agent, and end its trial at an arm or at the turn limit."""
        trial = self.trials[lane]
        trial.turns += 1
        if isinstance(target, Arm):
            trial.outcome = "success" if target.pays else "failure"
        elif trial.turns >= self.turn_limit:
            trial.outcome = "timeout"

    def counts(self, trial: Trial) -> bool:
        """Return whether a trial counts towards the success rate.

        Trials that begin too late to reach their turn limit within the epoch do not count. The end
        of the epoch would otherwise exclude slow trials only, and an agent that is slow after one
        of the cues would score above chance without any memory.
        """
        return trial.first_turn + self.turn_limit - 1 <= self.max_turns

    def _stem(self, lane: int) -> int:
        return _LANE_PITCH * lane + 2

    def _passage(self, lane: int) -> list[tuple[int, int]]:
        stem = self._stem(lane)
        rows = range(_JUNCTION_ROW, _JUNCTION_ROW + self.corridor + 1)
        return [(row, stem) for row in rows] + [(_JUNCTION_ROW, stem + d) for d in (-1, 1)]
