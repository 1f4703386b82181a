"""Replacing agents in the middle of an experiment, by hand or by a schedule.

A place in ``env.agents`` keeps its body: the agent object, its specs, location and sprite. What
goes and comes is the model, with all that it has learned and remembers, and the name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from sorrel.environment import Environment

from sorrel_recurrent_ppo.csv_table import write_table
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments.run_files import RunFiles
from sorrel_recurrent_ppo.newcomers import Newcomer, build_newcomer
from sorrel_recurrent_ppo.population import Population, population_of
from sorrel_recurrent_ppo.randomness import derive_seed, peeked_seed
from sorrel_recurrent_ppo.registry import find_name
from sorrel_recurrent_ppo.replacement_schedule import Schedule, read_schedule
from sorrel_recurrent_ppo.swap import manage

__all__ = [
    "Replacement",
    "ScheduledReplacement",
    "replace_agent",
    "schedule_from_config",
    "write_replacements",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """The record of one replacement; its fields are the columns of ``replacements.csv``.

    Attributes:
        epoch: The epoch at whose start, or during which, it happened; -1 before the first.
        index: The place in ``env.agents``.
        left: Lasting name of the agent who left.
        joined: Lasting name of the newcomer.
        left_model: Registry name of the model of the one who left.
        joined_model: Registry name of the newcomer's.
        tenure: Epochs that the one who left had completed in the group.
        seed: The newcomer's seed.
        checkpoint: The file that the newcomer was loaded from, or ``None`` for a fresh one.
    """

    epoch: int
    index: int
    left: str
    joined: str
    left_model: str
    joined_model: str
    tenure: int
    seed: int
    checkpoint: str | None

    def __str__(self) -> str:
        source = f" from {self.checkpoint}" if self.checkpoint else ""
        return (
            f"epoch {self.epoch}: agent {self.left} ({self.left_model}, {self.tenure} epochs) "
            f"leaves place {self.index} to agent {self.joined} ({self.joined_model}{source}, "
            f"seed {self.seed})"
        )


def write_replacements(path: Path, replacements: Sequence[Replacement]) -> None:
    """Write records to a CSV file, a row each, over an older one."""
    rows = [asdict(replacement) for replacement in replacements]
    write_table(path, [field.name for field in fields(Replacement)], rows)


def replace_agent(
    env: Environment,
    index: int,
    model: str | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
) -> Replacement:
    """Let a newcomer take the place of an agent, at any time.

    The newcomer has fresh weights, optimizer, rollout, recurrent state, counters and schedules; the
    body stays, and so does every other agent, bit for bit. From ``checkpoint`` it has what was
    saved instead.

    Args:
        env: The environment, whether or not its config has anything to do with this package.
        index: The place in ``env.agents``.
        model: Registry name of the newcomer's model; ``None`` for that of the one who leaves, with
            its parameters.
        parameters: Changed parameters of the model, ``seed`` among them.
        checkpoint: A saved model to start from.

    Returns:
        The record, which the environment's population keeps as well.

    Raises:
        ConfigError: There is no such place, model or parameter, or a value does not fit; nothing
            is changed then, nor by the other error.
        CheckpointError: The checkpoint is missing, damaged, or of another model or shape.
    """
    if isinstance(index, bool) or not isinstance(index, Integral):
        raise ConfigError(f"index must be an agent's place in env.agents, not {index!r}")
    if not 0 <= index < len(env.agents):
        raise ConfigError(
            f"there is no agent {index}: env.agents has {len(env.agents)}, from 0 to "
            f"{len(env.agents) - 1}"
        )
    if model is not None and not isinstance(model, str):
        raise ConfigError(f"model must be a registry name or None, not {model!r}")
    population = population_of(env)
    names = _model_names(env, population)
    number = len(names) + (len(population.replacements) if population else 0)
    newcomer = build_newcomer(
        env,
        int(index),
        former_name=names[index],
        model_name=model,
        parameters=parameters or {},
        checkpoint=None if checkpoint is None else str(checkpoint),
        seed=derive_seed(_seed_of_run(env.config), int(index), number),
    )
    return _admit(env, population or _new_population(env, names), [newcomer])[0]


def _model_names(env: Environment, population: Population | None) -> list[str]:
    """Return what each agent's model is called."""
    if population is not None:
        return [member.model_name for member in population.members]
    models = [type(agent.model) for agent in env.agents]
    return [find_name(model) or model.__name__ for model in models]


def _new_population(env: Environment, names: Sequence[str]) -> Population:
    """Make a population of an environment's agents with the models that they have."""
    population = Population()
    for agent, name in zip(env.agents, names, strict=True):
        population.admit(agent, model_name=name, seed=None)
    manage(env, population)
    return population


def _admit(
    env: Environment, population: Population, newcomers: Sequence[Newcomer]
) -> list[Replacement]:
    """Let newcomers take their places, and record it."""
    records: list[Replacement] = []
    for newcomer in newcomers:
        former = population.members[newcomer.index]
        population.replace_model(
            env,
            newcomer.index,
            newcomer.model,
            model_name=newcomer.model_name,
            seed=newcomer.seed,
        )
        record = Replacement(
            epoch=population.epoch,
            index=newcomer.index,
            left=former.name,
            joined=population.members[newcomer.index].name,
            left_model=former.model_name,
            joined_model=newcomer.model_name,
            tenure=len(former.rewards),
            seed=newcomer.seed,
            checkpoint=newcomer.checkpoint,
        )
        _log.info("%s", record)
        records.append(record)
    population.replacements.extend(records)
    if records and HydraConfig.initialized():
        directory = Path(HydraConfig.get().runtime.output_dir)
        write_replacements(RunFiles(directory).replacements, population.replacements)
    return records


# --- by a schedule ---


@dataclass(frozen=True)
class ScheduledReplacement:
    """Replaces agents of a running experiment as a schedule says.

    Calling it with an environment and the epoch that begins does what is due then: all newcomers
    are built before the first takes its place, so that an error leaves the group as it was. At the
    first epoch everything is tried out, so that no run stops after hours for a missing checkpoint.

    When fewer agents are old enough than the schedule asks for, those are replaced, and a warning
    tells the ages.

    Attributes:
        schedule: When which agents are replaced by whom.
    """

    schedule: Schedule

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
            tenures = [len(member.rewards) for member in population.members]
            rewards = [member.rewards for member in population.members]
            chosen = self.schedule.choose(epoch, tenures, rewards)
            newcomers = [
                self._build(env, population, epoch, index, model_name)
                for index, model_name in chosen.items()
            ]
        self._tell_shortage(epoch, tenures, len(chosen))
        _admit(env, population, newcomers)

    def _try_out(self, env: Environment, population: Population) -> None:
        """Raise now what would be raised at some later epoch."""
        last_epoch = _last_epoch(env.config)
        if last_epoch is not None:
            oldest = max(len(member.rewards) for member in population.members)
            self.schedule.check_run(last_epoch, oldest)
        self.schedule.check_group(len(population.members))
        for index in self.schedule.places(len(population.members)):
            for model_name in self.schedule.models or (None,):
                self._build(env, population, 0, index, model_name)

    def _build(
        self,
        env: Environment,
        population: Population,
        epoch: int,
        index: int,
        model_name: str | None,
    ) -> Newcomer:
        former_name = population.members[index].model_name
        return build_newcomer(
            env,
            index,
            former_name=former_name,
            model_name=model_name,
            parameters=self.schedule.parameters_for(model_name or former_name),
            checkpoint=self.schedule.checkpoint_for(index),
            seed=self.schedule.newcomer_seed(epoch, index),
        )

    def _tell_shortage(self, epoch: int, tenures: Sequence[int], n_chosen: int) -> None:
        if not self.schedule.fires_at(epoch):
            return
        rule = self.schedule.rule
        due = len(rule.agent_ids) if rule.agent_ids is not None else rule.count
        if due is not None and n_chosen < due:
            _log.warning(
                "epoch %d: %d agents were due to be replaced, %d are: the others have been in the "
                "group for less than %d epochs (by place: %s)",
                epoch,
                due,
                n_chosen,
                rule.youngest_eligible,
                ", ".join(str(tenure) for tenure in tenures),
            )
        elif not n_chosen:
            _log.info("epoch %d: chance replaces nobody", epoch)


def schedule_from_config(config: DictConfig) -> ScheduledReplacement | None:
    """Read the schedule of replacement in an environment's config.

    Args:
        config: The whole config; its section ``replacement`` may be missing or ``none``.

    Returns:
        What to call at the start of each epoch, or ``None`` where nobody is to be replaced.

    Raises:
        ConfigError: A key is unknown, a value does not fit, or the schedule can never replace
            anybody in the ``experiment.epochs`` of the config.
    """
    section = OmegaConf.select(config, "replacement")
    schedule = read_schedule(section, _seed_of_run(config))
    if schedule is None:
        return None
    last_epoch = _last_epoch(config)
    if last_epoch is not None:
        with _naming_the_section():
            schedule.check_run(last_epoch)
    return ScheduledReplacement(schedule)


def _last_epoch(config: DictConfig) -> int | None:
    """Return the number of the run's last epoch where the config tells it in Sorrel's way."""
    epochs = OmegaConf.select(config, "experiment.epochs")
    return epochs if isinstance(epochs, int) else None


@contextmanager
def _naming_the_section() -> Iterator[None]:
    """Let errors name the section of the config that they come from."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"replacement.checkpoint: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"replacement: {error}") from error


def _seed_of_run(config: DictConfig) -> int:
    """Return the config's seed; without one, a digest of numpy's global state, not drawn from it.

    So whoever seeds that state gets the same newcomers again.
    """
    seed = OmegaConf.select(config, "seed")
    if isinstance(seed, int) and seed >= 0:
        return seed
    return peeked_seed()
