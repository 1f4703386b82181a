"""A study whose world goes on between epochs: it is reset once, before the first."""

from sorrel.entities.basic_entities import EmptyEntity
from sorrel.worlds import Gridworld

from support import small_study


class Walker(small_study.Walker):
    """Moves along a ring of cells; is paid in the first half of them."""

    def act(self, world, action):
        row, column, layer = self.location
        target = (row, (column + action - 1) % world.width, layer)
        world.move(self, target)
        return float(self.location[1] < world.width // 2)


class ContinuingStudy(small_study.Study):
    """Calls ``take_turn``, or with ``direct`` the agents themselves.

    With ``resets`` it is reset between epochs, and with ``silent`` it records none.
    """

    def new_agent(self, cls=small_study.Walker):
        return super().new_agent(Walker if cls is small_study.Walker else cls)

    def run_experiment(self, animate=True, logging=True, logger=None, output_dir=None):
        for epoch in range(self.config.experiment.epochs + 1):
            if epoch == 0 or self.config.get("resets"):
                self.reset()
            else:
                self.turn = 0
                self.world.is_done = False
                self.world.total_reward = 0.0
            for agent in self.agents:
                agent.model.start_epoch_action(epoch=epoch)
            while self.turn < self.config.experiment.max_turns:
                self.advance()
            self.world.is_done = True
            loss = 0.0
            for agent in self.agents:
                agent.model.end_epoch_action(epoch=epoch)
                loss += float(agent.model.train_step())
            if logger is not None and not self.config.get("silent"):
                logger.record_epoch(epoch, loss, self.world.total_reward, 0.0)

    def advance(self):
        if not self.config.get("direct"):
            self.take_turn()
            return
        self.turn += 1
        for agent in self.agents:
            agent.transition(self.world)


def build(config):
    """Return the study: the function ``environment.factory``."""
    return ContinuingStudy(Gridworld(6, 8, 1, EmptyEntity()), config)
