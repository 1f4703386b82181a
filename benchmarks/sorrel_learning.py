"""Learning runs in Sorrel environments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from controls import (
    RandomModel,
    TreasurehuntExpert,
    forget_between_steps,
    give_model,
    initialise_as_pytorch_does,
    slow_down_recurrent_layer,
)
from records import Job, Record
from sorrel_envs import build_sorrel_env
from sorrel_recurrent_ppo.acceleration.switch import accelerated
from sorrel_recurrent_ppo.support.randomness import derive_seed

__all__ = ["CONTESTANTS", "SorrelContestant", "run_in_sorrel"]


@dataclass(frozen=True)
class SorrelContestant:
    """A contestant in a Sorrel environment.

    Attributes:
        model: Registry name; ``None`` for the environment's own model.
        prepare: Function that changes the environment, given the seed, before the run.
        overrides: Hydra overrides.
    """

    model: str | None
    prepare: Callable[[Environment, int], None] = lambda env, seed: None
    overrides: tuple[str, ...] = ()


def _forget(env: Environment, seed: int) -> None:
    for agent in env.agents:
        forget_between_steps(agent.model)


def _initialise(env: Environment, seed: int) -> None:
    for index, agent in enumerate(env.agents):
        initialise_as_pytorch_does(agent.model, derive_seed(seed, index))


def _slow_down(env: Environment, seed: int) -> None:
    for agent in env.agents:
        slow_down_recurrent_layer(agent.model, 1 / 3)


CONTESTANTS = {
    "lstm_ppo": SorrelContestant("lstm_ppo"),
    "gru_ppo": SorrelContestant("gru_ppo"),
    "lstm_ppo, state zeroed": SorrelContestant("lstm_ppo", _forget),
    "gru_ppo, state zeroed": SorrelContestant("gru_ppo", _forget),
    "gru_ppo, one head": SorrelContestant("gru_ppo", overrides=("model.gru_ppo.action_dims=null",)),
    "lstm_ppo, PyTorch's initialisation": SorrelContestant("lstm_ppo", _initialise),
    "lstm_ppo, recurrent layer at a third of the rate": SorrelContestant("lstm_ppo", _slow_down),
    "iqn": SorrelContestant(None),
    "random": SorrelContestant(None, lambda env, seed: give_model(env, RandomModel, seed)),
    "expert": SorrelContestant(None, lambda env, seed: give_model(env, TreasurehuntExpert, seed)),
}


class _EpochLogger(Logger):
    """A logger that stores the reward and metrics of every epoch and prints nothing."""


def run_in_sorrel(
    job: Job, environment: str, overrides: tuple[str, ...], score: str | None
) -> Record:
    """Run an experiment with Sorrel's own runner, accelerated for the models of this package.

    Args:
        job: The job; its budget is in epochs.
        environment: Name of the packaged environment config.
        overrides: Hydra overrides of the task.
        score: The metric to use as the score; ``None`` for the agents' total reward.
    """
    contestant = CONTESTANTS[job.contestant]
    settings = [
        f"model.{contestant.model}.{k}={'null' if v is None else v}"
        for k, v in job.settings.items()
    ]
    env = build_sorrel_env(
        environment,
        contestant.model,
        seed=job.seed,
        overrides=[
            *overrides,
            *contestant.overrides,
            *settings,
            f"experiment.epochs={job.budget - 1}",
            f"experiment.record_period={job.budget + 1}",
        ],
    )
    contestant.prepare(env, job.seed)
    logger = _EpochLogger(job.budget)
    wall, cpu = time.perf_counter(), time.process_time()
    is_ours = contestant.model is not None
    with TemporaryDirectory() as directory, accelerated(is_ours):
        env.run_experiment(animate=False, logger=logger, output_dir=Path(directory))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    metrics = {
        name: [None if v is None else float(v) for v in values]
        for name, values in logger.additional_values.items()
        if all(v is None or isinstance(v, int | float) for v in values)
    }
    rewards = [float(reward) for reward in logger.rewards]
    turns = env.config.experiment.max_turns
    return Record(
        steps=[turns * (epoch + 1) for epoch in range(job.budget)],
        scores=[float(v or 0.0) for v in metrics[score]] if score else rewards,
        wall_seconds=wall,
        cpu_seconds=cpu,
        metrics=metrics,
    )
