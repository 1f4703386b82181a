"""The environment of cue_recall: consecutive trials in each lane, and their success rate."""

from __future__ import annotations

import math

import numpy as np
from sorrel.action.action_spec import ActionSpec
from sorrel.environment import Environment
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.utils.turn_stats import TurnStats

from sorrel_recurrent_ppo.examples.cue_recall.agents import CueRecallAgent
from sorrel_recurrent_ppo.examples.cue_recall.world import CueRecallWorld
from sorrel_recurrent_ppo.examples.default_model import build_iqn

__all__ = ["ENTITY_LIST", "SYMBOL_LIST", "CueRecallEnv"]

ENTITY_LIST = ["EmptyEntity", "Wall", "Arm", "CueLeft", "CueRight", "CueRecallAgent"]
SYMBOL_LIST = ["SymbolA", "SymbolB"]  # also observed with ``world.distractors``


class CueRecallEnv(Environment[CueRecallWorld]):
    """An environment in which agents recall a cue at the end of a corridor.

    Args:
        world: The maze.
        config: The configuration, with the sections ``experiment``, ``world`` and ``agent`` of
            ``configs/environment/cue_recall.yaml``.
    """

    def setup_agents(self) -> None:
        """Create one agent per lane."""
        self.agents = [self._make_agent(lane) for lane in range(self.world.lanes)]

    def _make_agent(self, lane: int) -> CueRecallAgent:
        kinds = [*ENTITY_LIST, *(SYMBOL_LIST if self.world.distractors else [])]
        observation_spec = OneHotObservationSpec(
            kinds, full_view=False, vision_radius=self.config.agent.vision_radius
        )
        observation_spec.override_input_size((math.prod(observation_spec.input_size),))
        action_spec = ActionSpec(["up", "left", "right"])
        model = build_iqn(observation_spec, action_spec)
        return CueRecallAgent(observation_spec, action_spec, model, lane)

    def populate_environment(self) -> None:
        """Build the maze and place every agent at the start of its first trial."""
        self.world.turn = 1
        self.world.trials.clear()
        self.world.build()
        for lane, agent in enumerate(self.agents):
            self.world.begin_trial(lane)
            self.world.add(self.world.start(lane), agent)

    def take_turn(self, epoch: int = 0) -> None:
        """Begin a new trial for every agent whose trial is over, then let all agents act."""
        self.world.turn = self.turn + 1
        for lane, agent in enumerate(self.agents):
            if self.world.trials[lane].outcome is not None:
                self.world.move(agent, self.world.start(lane))
                self.world.begin_trial(lane)
        super().take_turn(epoch)

    def collect_turn_stats(self, epoch: int) -> TurnStats:
        """Add the number of trials that ended this turn, and of those that succeeded."""
        stats = super().collect_turn_stats(epoch)
        trials = self.world.trials.values()
        ended = [t for t in trials if t.outcome is not None and self.world.counts(t)]
        stats.extra["trials"] = len(ended)
        stats.extra["successes"] = sum(t.outcome == "success" for t in ended)
        return stats

    def aggregate_epoch_stats(self) -> dict[str, float]:
        """Add ``trials`` and ``success_rate``, the fraction of trials that succeeded."""
        epoch_stats = super().aggregate_epoch_stats()
        trials, successes = (
            float(np.array([stats.extra[name] for stats in self._epoch_turn_stats]).sum())
            for name in ("trials", "successes")
        )
        if trials:
            epoch_stats |= {"trials": trials, "success_rate": successes / trials}
        return epoch_stats
