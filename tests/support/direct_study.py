"""A coordinator that calls its agents itself and keeps records of several classes."""

import copy
from collections import Counter, defaultdict
from typing import Any

from sorrel.entities.basic_entities import EmptyEntity
from sorrel.worlds import Gridworld

from support.crashes import Crash
from support.small_study import Study, Walker

crash_after: list[int] = []  # turns, in the test that sets it


class Informed(Walker):
    """Returns information beside the reward, if it is asked for."""

    def act(self, world, action, *, return_info=False) -> Any:
        reward = super().act(world, action)
        return (reward, {"stayed": action == 1}) if return_info else reward


class InformedStudy(Study):
    def new_agent(self, cls=Walker):
        agent = super().new_agent(Informed if cls is Walker else cls)
        agent.kind = "Walker"  # what others see
        return agent


class Direct:
    """Calls the agents itself, without ``take_turn`` and without a turn counter."""

    def __init__(self, config):
        self.max_turns, self.n_epochs = config.experiment.max_turns, config.experiment.epochs + 1
        worlds = [Gridworld(6, 6, 1, EmptyEntity()) for _ in range(2)]
        self.environments = [InformedStudy(w, copy.deepcopy(config)) for w in worlds]
        self.actions: Counter[int] = Counter()
        self.stays = defaultdict(lambda: defaultdict(int))
        self.turns_begun = 0

    def run_experiment(self):
        for epoch in range(self.n_epochs):
            for env in self.environments:
                env.reset()
            agents = [(env, agent) for env in self.environments for agent in env.agents]
            for _, agent in agents:
                agent.model.start_epoch_action(epoch=epoch)
            for _ in range(self.max_turns):
                self.turns_begun += 1
                for k, (env, agent) in enumerate(agents):
                    self.act(k, env, agent)
            for _, agent in agents:
                agent.model.end_epoch_action(epoch=epoch)
                agent.model.train_step()

    def act(self, k, env, agent):
        if crash_after:
            crash_after[0] -= 1
            if crash_after[0] < 0:
                crash_after.clear()
                raise Crash
        state = agent.pov(env.world)
        action = agent.get_action(state)
        reward, info = agent.act(env.world, action, return_info=True)
        if info.get("stayed"):
            self.stays[k][f"stayed {action}"] += 1
        self.actions[int(action)] += 1
        agent.add_memory(state, action, reward, False)


def build(config):
    """Return two environments of one agent each: the function for ``environment.factory``."""
    config.n = 1
    return Direct(config)
