"""Playing saved agents without training them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf, open_dict
from sorrel.environment import Environment
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.experiment import build_seeded
from sorrel_recurrent_ppo.experiments.logging.run_logging import EpochRecord, RunLogger
from sorrel_recurrent_ppo.experiments.parallel_training import training_threads
from sorrel_recurrent_ppo.population.members import Population, population_of
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.reports.saved_agents import SavedAgent, seat_agent
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.instance_overrides import override
from sorrel_recurrent_ppo.support.randomness import derive_seed, seed_global_generators

__all__ = ["DETERMINISTIC", "SAMPLED", "EvaluatedEpoch", "evaluation_seeds", "play"]

SAMPLED, DETERMINISTIC = "sampled", "deterministic"
_STREAM = 7_316_903  # tells these seeds from all others that follow from a run's seed


@dataclass(frozen=True)
class EvaluatedEpoch:
    """One epoch that was played.

    Attributes:
        mode: How the agents acted, ``"sampled"`` or ``"deterministic"``.
        epoch: Its number, from 0.
        seed: What the random streams were seeded with.
        reward: The world's total reward.
        agent_rewards: Each agent's, by place.
        values: What else the environment reports, such as a success rate.
    """

    mode: str
    epoch: int
    seed: int
    reward: float
    agent_rewards: list[float]
    values: Mapping[str, float] = field(default_factory=dict)


def evaluation_seeds(base: int, n_epochs: int, trained_with: Sequence[int]) -> list[int]:
    """Return a seed for each epoch, none of which an agent was trained with.

    Args:
        base: What they follow from; it may be a training's own seed.
        n_epochs: How many.
        trained_with: Seeds to keep away from.
    """
    seeds: list[int] = []
    candidate = 0
    while len(seeds) < n_epochs:
        seed = derive_seed(base, _STREAM, candidate)
        if seed not in trained_with and seed not in seeds:
            seeds.append(seed)
        candidate += 1
    return seeds


def play(
    run: SavedRun,
    agents: Sequence[SavedAgent],
    seeds: Sequence[int],
    *,
    mode: str,
    max_turns: int | None = None,
    device: str | None = None,
    gif: Path | None = None,
) -> list[EvaluatedEpoch]:
    """Play epochs in a run's environment; nobody learns, and no file of a run is written.

    Each epoch starts from a seed of its own, as do the choices in it, so that its course does not
    depend on how many others are played. The environment is built anew: some keep a state in their
    agents from epoch to epoch.

    Args:
        run: The run whose environment it is.
        agents: Who plays, by place.
        seeds: One for each epoch.
        mode: ``"sampled"``: recurrent PPO draws from its policy, Sorrel's own models explore with
            the epsilon of their last epoch. ``"deterministic"``: the most probable action, and
            epsilon 0.
        max_turns: Turns of an epoch; ``None`` for those of the training.
        device: Where the models compute; ``None`` for where they were trained.
        gif: File for a GIF of the first epoch.

    Raises:
        ConfigError: The environment cannot be built.
        CheckpointError: An agent's file is missing, damaged, or does not fit its place.
    """
    config = _without_training(run.config, seeds[0], max_turns)
    env = build_seeded(config)
    population = population_of(env)
    if population is None or len(env.agents) != len(agents):
        raise ConfigError(
            f"{run.directory} has {len(agents)} saved agents, its environment {len(env.agents)}"
        )
    epsilons = [
        seat_agent(env, population, index, saved, seed=seeds[0], device=device)
        for index, saved in enumerate(agents)
    ]
    epochs: list[EvaluatedEpoch] = []
    with training_threads(env, population, 1):
        for epoch, seed in enumerate(seeds):
            for agent, epsilon in zip(env.agents, epsilons, strict=True):
                _set_mode(agent.model, epsilon, mode)
            record = _play_epoch(env, population, seed, gif if epoch == 0 else None)
            epochs.append(_evaluated(record, mode, epoch, seed))
    return epochs


def _without_training(config: DictConfig, seed: int, max_turns: int | None) -> DictConfig:
    own = OmegaConf.create(OmegaConf.to_container(config))
    assert isinstance(own, DictConfig)
    with open_dict(own):
        own.seed = seed
        own.replacement = None
        own.experiment.epochs = 0  # Sorrel's runner plays the one epoch 0
        own.experiment.record_period = 1
        if max_turns is not None:
            own.experiment.max_turns = max_turns
    return own


def _set_mode(model: BaseModel, epsilon: float, mode: str) -> None:
    """Let a model act in the given mode and learn nothing."""
    if is_ppo_model(model):
        model.deterministic = mode == DETERMINISTIC
    else:
        model.epsilon = 0.0 if mode == DETERMINISTIC else epsilon  # Sorrel's runner lets it decay
    if (stop_training := getattr(model, "eval", None)) is not None:
        stop_training()
    override(model, "train_step", _skip_train_step)  # Sorrel's models train in evaluation too


def _skip_train_step(model: BaseModel) -> np.ndarray:
    return np.array(0.0)


class _LastRecord:
    """Keeps the record of the latest epoch."""

    record: EpochRecord

    def write(self, record: EpochRecord) -> None:
        """Take one epoch."""
        self.record = record

    def close(self) -> None:
        """Keep it."""


def _play_epoch(
    env: Environment, population: Population, seed: int, gif: Path | None
) -> EpochRecord:
    """Let Sorrel's own runner play one epoch."""
    seed_global_generators(seed)
    for index, agent in enumerate(env.agents):
        if is_ppo_model(agent.model):
            agent.model.reseed(derive_seed(seed, index))
    last = _LastRecord()
    logger = RunLogger(env, population, sinks=[last])
    # Some environments save their agents where the GIFs go: neither is to be in a run's directory.
    with tempfile.TemporaryDirectory() as folder:
        gifs = Path(folder) / "gifs"
        gifs.mkdir()
        env.run_experiment(animate=gif is not None, logger=logger, output_dir=Path(folder))
        if gif is not None:
            gif.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(next(gifs.glob("*.gif")), gif)
    return last.record


def _evaluated(record: EpochRecord, mode: str, epoch: int, seed: int) -> EvaluatedEpoch:
    of_training = ("train/", "rollout/")  # the models' latest update, which lies before
    return EvaluatedEpoch(
        mode=mode,
        epoch=epoch,
        seed=seed,
        reward=record.reward,
        agent_rewards=[agent.reward for agent in record.agents],
        values={k: v for k, v in record.values.items() if not k.startswith(of_training)},
    )
