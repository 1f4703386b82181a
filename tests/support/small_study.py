"""A small environment that behaves as research code does, to vary by its traits."""

import numpy as np
from sorrel.action.action_spec import ActionSpec
from sorrel.agents import Agent
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.environment import Environment
from sorrel.models.pytorch import PyTorchIQN
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.worlds import Gridworld

ACTIONS = ["left", "stay", "right"]
TURNS = 10


class Walker(Agent):
    """Is paid for staying."""

    def reset(self):
        self.model.reset()

    def pov(self, world):
        return self.observation_spec.observe(world, self.location).reshape(1, -1)

    def get_action(self, state):
        return self.model.take_action(np.vstack((self.model.memory.current_state(), state)))

    def act(self, world, action):
        return float(action == 1)

    def is_done(self, world):
        return world.is_done


class Police(Walker):
    pass


class Study(Environment):
    """``n`` walkers, and ``police`` of another kind."""

    def new_agent(self, cls=Walker):
        kinds = ["EmptyEntity", "Wall", "Walker", "Police"]
        spec = OneHotObservationSpec(kinds, full_view=False, vision_radius=1)
        spec.override_input_size((int(np.prod(spec.input_size)),))
        size = spec.input_size
        model = PyTorchIQN(size, 3, layer_size=8, epsilon=0.1, device="cpu", seed=0, n_frames=1)
        return cls(spec, ActionSpec(ACTIONS), model)

    def setup_agents(self):
        self.agents = [self.new_agent() for _ in range(self.config.get("n", 2))]
        self.agents += [self.new_agent(Police) for _ in range(self.config.get("police", 0))]

    def populate_environment(self):
        for i, agent in enumerate(self.agents):
            self.world.add((i, 1, 0), agent)


class Coordinator:
    """Runs environments in lockstep; knows nothing of this package."""

    def __init__(self, environments):
        self.environments = environments

    def run(self, n_epochs):
        for epoch in range(n_epochs):
            for env in self.environments:
                env.reset()
            agents = [agent for env in self.environments for agent in env.agents]
            for agent in agents:
                agent.model.start_epoch_action(epoch=epoch)
            for _ in range(TURNS):
                for env in self.environments:
                    env.take_turn(epoch)
            for agent in agents:
                agent.model.end_epoch_action(epoch=epoch)
                agent.model.train_step()


def build_study(cls=Study, **config):
    settings = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 8, "batch_size": 10}
    complete = {
        "seed": 1,
        "experiment": {"epochs": 6, "max_turns": TURNS, "record_period": 100},
        "model": {"type": "lstm_ppo", "lstm_ppo": settings, "gru_ppo": settings},
        **config,
    }
    return cls(Gridworld(6, 6, 1, EmptyEntity()), complete)


def run_study(env):
    env.run_experiment(animate=False, logging=False)
