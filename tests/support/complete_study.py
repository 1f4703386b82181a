"""A study with the traits of real ones together: ten environments of one agent, run in lockstep.

A coordinator, which never calls ``Environment.__init__``, runs environments with a constructor of
their own and a state that they share. It tests the agents in another environment within the run,
replaces, inserts and removes agents itself, and asks the models what research code asks of them.
It knows nothing of this package.
"""

import copy
import random
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from sorrel.action.action_spec import ActionSpec
from sorrel.agents import Agent
from sorrel.entities import Entity
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.environment import Environment
from sorrel.models.pytorch import PyTorchIQN
from sorrel.observation.observation_spec import OneHotObservationSpec
from sorrel.worlds import Gridworld

MOVES = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
VOTES = [0.0, 0.1, -0.1]
ACTIONS = [f"move{m}_vote{v}" for m in range(len(MOVES)) for v in range(len(VOTES))]
KINDS = ["EmptyEntity", "Wall", "Apple", "Villager", "Elder"]
SIZE = 5

SMALL_MODEL = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 8, "batch_size": 10}
CONFIG = {
    "seed": 3,
    "experiment": {"epochs": 12, "max_turns": 6, "record_period": 100},
    "model": {
        "type": "lstm_ppo",
        "n_agents": 4,
        "lstm_ppo": SMALL_MODEL,
        "gru_ppo": {**SMALL_MODEL, "action_dims": [len(MOVES), len(VOTES)]},
        "iqn": {"layer_size": 8, "batch_size": 4, "n_frames": 1},
    },
    "replacement": {"mode": "first_n", "count": 1, "epochs": [5]},
    "study": {"n_elders": 1, "probe_every": 3, "newcomer": 4, "insertion": 7, "removal": 9},
}


class Apple(Entity):
    def __init__(self):
        super().__init__()
        self.value = 1.0


class SharedNorm:
    """The level of punishment, which all agents vote on and see."""

    def __init__(self):
        self.level = 0.2
        self.votes = []

    def vote(self, value):
        self.votes.append(value)
        self.level = float(np.clip(self.level + value, 0.0, 1.0))


class Villager(Agent):
    """Eats apples, for which it is punished at the level of the norm, and votes."""

    def __init__(self, model, norm):
        spec = OneHotObservationSpec(KINDS, full_view=False, vision_radius=2)
        super().__init__(spec, ActionSpec(ACTIONS), model)
        self.norm = norm
        self.n_eaten = 0

    def reset(self):
        self.n_eaten = 0
        self.model.reset()

    def pov(self, world):
        picture = self.observation_spec.observe(world, self.location).flatten()
        return np.concatenate((picture, [self.norm.level, self.n_eaten / 10])).reshape(1, -1)

    def get_action(self, state):
        model: Any = self.model
        frames = model.memory.current_state()
        if frames.shape != (model.n_frames - 1, state.shape[1]):
            raise ValueError(f"the memory returns frames of shape {frames.shape}")
        return model.take_action(np.vstack((frames, state)))

    def act(self, world, action):
        move, vote = divmod(int(action), len(VOTES))
        self.norm.vote(VOTES[vote])
        target = tuple(np.add(self.location, (*MOVES[move], 0)))
        if not world.valid_location(target):
            return -0.1
        apple = isinstance(found := world.observe(target), Apple)
        self.n_eaten += apple
        world.move(self, target)
        return (found.value - self.norm.level) if apple else 0.0

    def is_done(self, world):
        return world.is_done


class Elder(Villager):
    """Another kind of agent, at the last indices."""


def new_model():
    size = (len(KINDS) * SIZE * SIZE + 2,)
    options = {"layer_size": 8, "epsilon": 0.1, "device": "cpu", "seed": 0, "n_frames": 1}
    return PyTorchIQN(size, len(ACTIONS), **options)


class Garden(Environment):
    """A world with one agent; sets itself up without ``Environment.__init__``."""

    def __init__(self, config, norm, cls=Villager):
        self.config, self.norm, self.agent_class = config, norm, cls
        self.world = Gridworld(7, 7, 1, EmptyEntity())
        self.turn, self.stop_if_done = 0, False
        self._epoch_turn_stats, self._active_logger = [], None
        self.setup_agents()

    def setup_agents(self):
        self.agents = [self.agent_class(new_model(), self.norm)]

    def populate_environment(self):
        for place in np.argwhere(np.random.random((7, 7)) < 0.4):  # noqa: NPY002 - as Sorrel does
            self.world.add((*map(int, place), 0), Apple())
        for i, agent in enumerate(self.agents):
            self.world.add((3, 3 - i, 0), agent)


class Village(Environment):
    """Runs the gardens in lockstep."""

    def __init__(self, config):
        self.config = OmegaConf.create(config) if isinstance(config, dict) else config
        study, n = self.config.study, self.config.model.n_agents
        self.norm = SharedNorm()
        kinds = [Villager] * (n - study.n_elders) + [Elder] * study.n_elders
        self.gardens = [Garden(copy.deepcopy(self.config), self.norm, cls) for cls in kinds]
        self.world = self.gardens[0].world
        self.turn = 0
        self.order = list(range(n))
        self.probe_garden = None
        self.probe_rewards = []

    def setup_agents(self): ...

    def populate_environment(self): ...

    @property
    def everyone(self):
        return [agent for garden in self.gardens for agent in garden.agents]

    def reset(self):
        self.turn = 0
        self.norm.votes.clear()
        for garden in self.gardens:
            garden.reset()

    def run_experiment(self, animate=False, logging=False, logger=None, output_dir=None):
        for epoch in range(self.config.experiment.epochs + 1):
            self.reset()
            self.change_agents(epoch)
            for agent in self.everyone:
                agent.model.start_epoch_action(epoch=epoch)
            while self.turn < self.config.experiment.max_turns:
                self.take_turn()
            if epoch % self.config.study.probe_every == 0:
                self.probe(self.gardens[0].agents[0])
            self.end_epoch(epoch, logger)

    def take_turn(self, epoch=0):
        self.turn += 1
        random.shuffle(self.order)
        for k in self.order:
            self.gardens[k].take_turn(epoch)

    def end_epoch(self, epoch, logger):
        losses = []
        for agent in self.everyone:
            agent.model.end_epoch_action(epoch=epoch)
            model: Any = agent.model
            if len(model.memory) >= model.batch_size:
                losses.append(float(model.train_step()))
        if logger is not None:
            reward = sum(garden.world.total_reward for garden in self.gardens)
            logger.record_epoch(epoch, float(np.sum(losses)), reward, self.norm.level)

    def change_agents(self, epoch):
        """Replace an agent, insert one and remove one, each at its epoch."""
        study = self.config.study
        if epoch == study.newcomer:
            place = self.gardens[1].agents[0].location
            self.gardens[1].agents[0] = self.settle(self.gardens[1], place)
        if epoch == study.insertion:
            self.gardens[0].agents.append(self.settle(self.gardens[0], (1, 1, 0)))
        if epoch == study.removal:
            self.gardens[0].world.remove(self.gardens[0].agents.pop().location)

    def settle(self, garden, place):
        newcomer = garden.agent_class(new_model(), self.norm)
        garden.world.add(place, newcomer)
        return newcomer

    def probe(self, agent):
        """Test an agent in another environment, frozen; ``train()`` is not called afterwards."""
        if self.probe_garden is None:
            self.probe_garden = Garden(copy.deepcopy(self.config), self.norm)
        level, votes, home = self.norm.level, [*self.norm.votes], agent.location
        self.probe_garden.agents = [agent]
        if hasattr(agent.model, "eval"):
            agent.model.eval()
        self.probe_garden.reset()
        rewards = []
        for _ in range(3):
            state = agent.pov(self.probe_garden.world)
            action = agent.get_action(state)
            rewards.append(agent.act(self.probe_garden.world, action))
            agent.add_memory(state, action, rewards[-1], False)
        self.probe_rewards.append(float(np.sum(rewards)))
        agent.location = home
        self.norm.level, self.norm.votes = level, votes


def build(config):
    """Return the village of a config: the function for ``environment.factory``."""
    return Village(config)
