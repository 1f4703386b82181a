"""Replacing the agents of a running experiment by a schedule."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.population.admission import config_of
from sorrel_recurrent_ppo.population.members import Population, population_of
from sorrel_recurrent_ppo.population.seeds import run_seed
from sorrel_recurrent_ppo.replacement.newcomers import Newcomer, ReplacedAgent, build_newcomer
from sorrel_recurrent_ppo.replacement.replace import admit_newcomers
from sorrel_recurrent_ppo.replacement.schedule import Schedule, read_schedule

__all__ = ["ScheduledReplacement", "schedule_from_config"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduledReplacement:
    """Replaces agents of a running experiment by a schedule.

    Called with an environment and the epoch that begins, it does what is due then. All newcomers
    are built before the first one replaces an agent, so that an error leaves the group as it was.
    At the first epoch every possible newcomer is built once, so that a missing checkpoint stops a
    run at its start and not after hours.

    If fewer agents are eligible than the schedule asks for, those are replaced, with a warning.

    Attributes:
        schedule: When which agents are replaced, and by which models.
        config: The whole config that the schedule was read from.
    """

    schedule: Schedule
    config: DictConfig

    @property
    def reward_window(self) -> int:
        """The number of latest rewards of each agent that the schedule may read."""
        return self.schedule.rule.reward_window

    def __call__(self, env: Environment, epoch: int) -> None:
        """Do what is due at the start of an epoch.

        Raises:
            ConfigError: The schedule does not fit the run, the group or its models.
            CheckpointError: A newcomer's checkpoint is missing, damaged, or of another model.
        """
        population = population_of(env)
        assert population is not None
        with _naming_the_section():
            if epoch == 0:
                self._try_out(env, population)
            tenures = [member.n_epochs for member in population.members]
            rewards = [member.rewards for member in population.members]
            chosen = self.schedule.choose(epoch, tenures, rewards)
            newcomers = [
                self._build(population, epoch, index, model_name)
                for index, model_name in chosen.items()
            ]
        self._warn_of_shortage(epoch, tenures, len(chosen))
        admit_newcomers(population, newcomers, by="schedule")

    def _try_out(self, env: Environment, population: Population) -> None:
        """Raise now what would be raised at some later epoch."""
        last_epoch = _last_epoch(config_of(env) or self.config)
        if last_epoch is not None:
            oldest = max((member.n_epochs for member in population.members), default=0)
            self.schedule.check_run(last_epoch, oldest)
        self.schedule.check_group(len(population.members))
        for index in self.schedule.indices(len(population.members)):
            for model_name in self.schedule.models or (None,):
                self._build(population, 0, index, model_name)

    def _build(
        self, population: Population, epoch: int, index: int, model_name: str | None
    ) -> Newcomer:
        member = population.members[index]
        kind_index = population.kind_index(member)
        return build_newcomer(
            ReplacedAgent(
                *(member.agent, index, self.config, member.model_name, member.kind, kind_index)
            ),
            model_name=model_name,
            parameters=self.schedule.parameters_for(model_name or member.model_name),
            checkpoint=self.schedule.checkpoint_for(index),
            seed=self.schedule.newcomer_seed(epoch, index),
        )

    def _warn_of_shortage(self, epoch: int, tenures: Sequence[int], n_chosen: int) -> None:
        if not self.schedule.fires_at(epoch):
            return
        rule = self.schedule.rule
        due = len(rule.agent_ids) if rule.agent_ids is not None else rule.count
        if due is not None and n_chosen < due:
            _log.warning(
                "epoch %d: %d agents were due to be replaced, %d are: the others have been in the "
                "group for less than %d epochs (by index: %s)",
                *(epoch, due, n_chosen, rule.youngest_eligible),
                ", ".join(str(tenure) for tenure in tenures),
            )
        elif not n_chosen:
            _log.info("epoch %d: no agent is chosen for replacement", epoch)


def schedule_from_config(config: DictConfig) -> ScheduledReplacement | None:
    """Read the replacement schedule in an environment's config.

    Args:
        config: The whole config; its section ``replacement`` may be missing or ``none``.

    Returns:
        A callback for the start of each epoch, or ``None`` if no agent is to be replaced.

    Raises:
        ConfigError: A key is unknown, a value does not fit, or the schedule can never replace an
            agent in the ``experiment.epochs`` of the config.
    """
    section = OmegaConf.select(config, "replacement")
    schedule = read_schedule(section, run_seed(config))
    if schedule is None:
        return None
    last_epoch = _last_epoch(config)
    if last_epoch is not None:
        with _naming_the_section():
            schedule.check_run(last_epoch)
    return ScheduledReplacement(schedule, config)


def _last_epoch(config: DictConfig) -> int | None:
    """Return the number of the run's last epoch, if the config has it where Sorrel reads it."""
    epochs = OmegaConf.select(config, "experiment.epochs")
    return epochs if isinstance(epochs, int) else None


@contextmanager
def _naming_the_section() -> Iterator[None]:
    """Make errors name the section of the config that they come from."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"replacement.checkpoint: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"replacement: {error}") from error
