"""A memory task played by Sorrel's own treasurehunt agent.

A trial shows a cue on the left or on the right in the first turn, nothing in the following turns,
and two indistinguishable targets in the last turn. The target on the cue's side pays 1, the other
-1. Without memory of the cue, no policy succeeds in more than half of the trials on average.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from sorrel.action.action_spec import ActionSpec
from sorrel.entities import Entity
from sorrel.entities.basic_entities import EmptyEntity, Wall
from sorrel.environment import Environment
from sorrel.examples.treasurehunt.agents import TreasurehuntAgent
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.worlds import Gridworld

ENTITIES = ["EmptyEntity", "Wall", "Cue", "Target", "TreasurehuntAgent"]
ACTIONS = ["left", "right", "up"]
HERE, LEFT, RIGHT = (1, 1, 0), (1, 0, 0), (1, 2, 0)


class Cue(Entity):
    """A sign on the side of the reward."""


class Target(Entity):
    """A target whose appearance does not depend on its value."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value


def free_wall() -> Wall:
    """Return a wall without a collision penalty."""
    wall = Wall()
    wall.value = 0
    return wall


class CueEnv(Environment[Gridworld]):
    """A single agent enclosed by walls; a trial lasts ``trial_length`` turns."""

    def __init__(self, make_model: Callable[[Any, Any], Any], trial_length: int, seed: int):
        self.make_model = make_model
        self.trial_length = trial_length
        self.rng = np.random.default_rng(seed)
        config = OmegaConf.create({"experiment": {"max_turns": 20 * trial_length}, "model": {}})
        super().__init__(Gridworld(3, 3, 1, EmptyEntity()), config)

    def setup_agents(self) -> None:
        spec = OneHotObservationSpec(ENTITIES, full_view=False, vision_radius=1)
        spec.override_input_size((int(np.prod(spec.input_size)),))
        actions = ActionSpec(ACTIONS)
        agent: Any = TreasurehuntAgent(spec, actions, self.make_model(spec, actions))
        self.agents = [agent]

    def populate_environment(self) -> None:
        for location in np.ndindex(self.world.map.shape):
            self.world.add(location, free_wall())
        self.world.add(HERE, self.agents[0])

    def take_turn(self, epoch: int = 0) -> None:
        turn = self.turn % self.trial_length
        if turn == 0:
            self.rewarded, self.other = self.rng.permutation(2)
        sides = (LEFT, RIGHT)
        for side in sides:
            self.world.add(side, free_wall())
        if turn == 0:
            self.world.add(sides[self.rewarded], Cue())
        self.world.is_done = turn == self.trial_length - 1
        if self.world.is_done:
            self.world.add(sides[self.rewarded], Target(1.0))
            self.world.add(sides[self.other], Target(-1.0))
        super().take_turn(epoch)


def play_epoch(env: CueEnv, *, forgetful: bool) -> list[float]:
    """Run and train for an epoch as ``run_experiment`` does; return the rewards of its trials.

    Args:
        env: The environment.
        forgetful: Reset the recurrent state to zero before every step.
    """
    model: Any = env.agents[0].model
    outcomes: list[float] = []
    env.reset()
    model.start_epoch_action(epoch=0)
    while env.turn < env.config.experiment.max_turns:
        if forgetful:
            model._current_hidden = None
        env.take_turn()
        _, reward, done = model.memory.last_transition()
        if done:
            outcomes.append(reward)
    env.world.is_done = True
    model.end_epoch_action(epoch=0)
    model.train_step()
    return outcomes


def steps_to_learn(env: CueEnv, *, max_steps: int, success: float) -> int | None:
    """Return the number of steps until the last 200 trials reach a success rate, if ever."""
    outcomes: list[float] = []
    model: Any = env.agents[0].model
    while model.num_timesteps < max_steps:
        outcomes += play_epoch(env, forgetful=False)
        if len(outcomes) >= 200 and np.mean(np.array(outcomes[-200:]) > 0) >= success:
            return model.num_timesteps
    return None
