"""Evaluation of saved agents: play epochs without training."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf, open_dict
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.acceleration.switch import accelerated
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment, build_experiment
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord
from sorrel_recurrent_ppo.experiments.logging.run_logging import RunLogger
from sorrel_recurrent_ppo.experiments.parallel_training import training_with
from sorrel_recurrent_ppo.recording.world_gif import enlarge_gif
from sorrel_recurrent_ppo.registry import is_ppo_model
from sorrel_recurrent_ppo.reports.evaluation_results import DETERMINISTIC, EvaluatedEpoch
from sorrel_recurrent_ppo.reports.saved_agents import SavedAgent, load_saved_agent
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.instance_overrides import override
from sorrel_recurrent_ppo.support.randomness import derive_seed, seed_global_generators

__all__ = ["evaluation_seeds", "play"]

_log = logging.getLogger(__name__)

_STREAM = 7_316_903  # distinguishes these seeds from others derived from a run's seed


def evaluation_seeds(base: int, n_epochs: int, training_seeds: Sequence[int]) -> list[int]:
    """Return a seed for each epoch, distinct from the seeds that were used in training.

    Args:
        base: The seed to derive them from; it may be a training seed.
        n_epochs: The number of seeds.
        training_seeds: The seeds to avoid.
    """
    seeds: list[int] = []
    candidate = 0
    while len(seeds) < n_epochs:
        seed = derive_seed(base, _STREAM, candidate)
        if seed not in training_seeds and seed not in seeds:
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
    """Play epochs in a run's environment, without training and without writing to the run.

    World and actions of each epoch are seeded by the epoch's own seed, so that an epoch does not
    depend on the number of epochs. The environment is rebuilt, since some environments keep state
    in their agents between epochs.

    Args:
        run: The run whose environment is used.
        agents: The agents, by index.
        seeds: The seed of each epoch.
        mode: `SAMPLED`: recurrent PPO samples from its policy, and Sorrel's own models use the
            epsilon of their last epoch. `DETERMINISTIC`: the most probable action, and epsilon 0.
        max_turns: Turns per epoch; ``None`` for the number in training.
        device: Device of the models; ``None`` for the one they were trained on.
        gif: The file for a GIF of the first epoch, if any. Where the environment cannot draw one, a
            warning is logged.

    Raises:
        ConfigError: The environment cannot be built, or has another number of agents.
        CheckpointError: A checkpoint is missing, damaged, or does not fit the environment.
    """
    options: dict[str, Any] = {"mode": mode, "max_turns": max_turns, "device": device}
    with accelerated(bool(run.config.get("accelerate", False))):  # not beyond the evaluation
        return _play_and_draw(run, agents, seeds, options, gif)


def _play_and_draw(
    run: SavedRun,
    agents: Sequence[SavedAgent],
    seeds: Sequence[int],
    options: Mapping[str, Any],
    gif: Path | None,
) -> list[EvaluatedEpoch]:
    """Play epochs, and once more without drawing if that fails."""
    try:
        return _play_epochs(run, agents, seeds, **options, gif=gif)
    except Exception as error:
        if gif is None or isinstance(error, ConfigError | CheckpointError):
            raise
        failure = f"{type(error).__name__}: {error}"
    # Outside of the handler, whose error keeps the failed environment alive. If it is not the
    # drawing that fails, this fails in the same way.
    epochs = _play_epochs(run, agents, seeds, **options)
    _log.warning(
        "no GIF of mode %s: drawing the environment failed (%s); gif=false draws none",
        *(options["mode"], failure),
    )
    return epochs


def _play_epochs(
    run: SavedRun,
    agents: Sequence[SavedAgent],
    seeds: Sequence[int],
    *,
    mode: str,
    max_turns: int | None = None,
    device: str | None = None,
    gif: Path | None = None,
) -> list[EvaluatedEpoch]:
    config = _evaluation_config(run.config, seeds[0], max_turns)
    experiment = build_experiment(config)
    population = experiment.population
    if not population.members:
        experiment.reset()  # some environments build their agents in reset
    if len(population.members) != len(agents):
        raise ConfigError(
            f"{run.directory}: expected {len(population.members)} saved agents (from the "
            f"environment), found {len(agents)}"
        )
    epsilons = [
        load_saved_agent(population, index, saved, seed=seeds[0], device=device)
        for index, saved in enumerate(agents)
    ]
    epochs: list[EvaluatedEpoch] = []
    with training_with(None, population):
        for epoch, seed in enumerate(seeds):
            for member, epsilon in zip(population.members, epsilons, strict=True):
                _set_mode(member.agent.model, epsilon, mode)
            record = _play_epoch(experiment, seed, gif if epoch == 0 else None)
            epochs.append(_evaluated_epoch(record, mode, epoch, seed))
    return epochs


def _evaluation_config(config: DictConfig, seed: int, max_turns: int | None) -> DictConfig:
    copy = OmegaConf.create(OmegaConf.to_container(config))
    assert isinstance(copy, DictConfig)
    with open_dict(copy):
        copy.seed = seed
        copy.replacement = None
        copy.experiment.epochs = 0  # Sorrel's runner plays the single epoch 0
        copy.experiment.record_period = 1
        if max_turns is not None:
            copy.experiment.max_turns = max_turns
    return copy


def _set_mode(model: BaseModel, epsilon: float, mode: str) -> None:
    """Make a model act in the given mode, without training."""
    if is_ppo_model(model):
        model.deterministic, model.learns = mode == DETERMINISTIC, False
    else:
        model.epsilon = 0.0 if mode == DETERMINISTIC else epsilon  # Sorrel's runner decays it
    if (set_eval_mode := getattr(model, "eval", None)) is not None:
        set_eval_mode()
    override(model, "train_step", _skip_train_step)  # Sorrel's models also train in eval mode


def _skip_train_step(model: BaseModel) -> np.ndarray:
    return np.array(0.0)


class _LastRecord:
    """A log sink that keeps the record of the latest epoch."""

    record: EpochRecord

    def write(self, record: EpochRecord) -> None:
        """Keep the record of an epoch."""
        self.record = record

    def close(self) -> None:
        """Keep the record."""


def _play_epoch(experiment: BuiltExperiment, seed: int, gif: Path | None) -> EpochRecord:
    """Play one epoch with the environment's or the coordinator's own runner."""
    seed_global_generators(seed)
    population = experiment.population
    for member in population.members:
        if is_ppo_model(member.agent.model):
            member.agent.model.reseed(derive_seed(seed, member.index))
    last = _LastRecord()
    logger = RunLogger(population, experiment.config, sinks=[last])
    population.epoch_end_callbacks.append(logger.record_missing_epoch)
    # Some environments save their agents next to the GIFs: keep both out of the run's directory.
    with tempfile.TemporaryDirectory() as folder:
        gifs = Path(folder) / "gifs"
        gifs.mkdir()
        try:
            experiment.run(logger, animate=gif is not None, output_dir=Path(folder))
        finally:
            population.epoch_end_callbacks.remove(logger.record_missing_epoch)
        drawn = next(Path(folder).rglob("*.gif"), None)  # a study's own runner may draw none
        if gif is not None and drawn is not None:
            gif.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(drawn, gif)
            enlarge_gif(gif)
    return last.record


def _evaluated_epoch(record: EpochRecord, mode: str, epoch: int, seed: int) -> EvaluatedEpoch:
    training_metrics = ("train/", "rollout/")  # of the latest update, before the evaluation
    return EvaluatedEpoch(
        mode=mode,
        epoch=epoch,
        seed=seed,
        reward=record.reward,
        agent_rewards=[agent.reward for agent in record.agents],
        values={k: v for k, v in record.values.items() if not k.startswith(training_metrics)},
    )
