"""Learning runs in gymnasium environments: this package's and sb3-contrib's recurrent PPO."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from sb3_contrib import RecurrentPPO as Sb3RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from gym_adapter import build_for, evaluate, train
from gym_envs import ENVIRONMENTS
from records import Job, Record
from sorrel_recurrent_ppo.config_files import model_defaults
from sorrel_recurrent_ppo.learning.schedules import linear
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPO, RecurrentPPOLSTM

__all__ = ["OURS", "SB3", "run_in_gym", "run_sb3"]

_EVALUATION_EPISODES = 20
_EVALUATION_SEED = 1_000_000

OURS: dict[str, type[RecurrentPPO]] = {
    "gru_ppo": DualHeadRecurrentPPO,
    "lstm_ppo": RecurrentPPOLSTM,
}


def _our_settings(budget: int) -> dict[str, Any]:
    """Return our packaged settings under sb3-contrib's names, where equivalents exist.

    It has no reward scaling, no entropy schedule and no sequence length.
    """
    ours = model_defaults("lstm_ppo")
    same = (
        *("n_epochs", "batch_size", "gamma", "gae_lambda", "clip_range", "target_kl"),
        *("max_grad_norm", "normalize_advantage"),
    )
    rates = ours["learning_rate"], ours["learning_rate"] * ours["learning_rate_end_factor"]
    decay = budget / ours["learning_rate_decay_steps"]
    return {
        **{name: ours[name] for name in same},
        "learning_rate": lambda left: linear(*rates, (1.0 - left) * decay),
        "n_steps": ours["rollout_length"],
        "ent_coef": ours["entropy_start"],
        "vf_coef": ours["value_coef"],
        "policy_kwargs": {
            "lstm_hidden_size": ours["hidden_size"],
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
    }


def _sb3_defaults(budget: int) -> dict[str, Any]:
    """Return sb3-contrib's defaults: separate recurrent layers for actor and critic."""
    return {"policy_kwargs": {"lstm_hidden_size": model_defaults("lstm_ppo")["hidden_size"]}}


def _sb3_acceptance_test(budget: int) -> dict[str, Any]:
    """Return the settings of sb3-contrib's own test of CartPole without velocities."""
    return {
        "n_steps": 128,
        "learning_rate": 0.0007,
        "batch_size": 256,
        "n_epochs": 10,
        "max_grad_norm": 1,
        "gae_lambda": 0.98,
        "policy_kwargs": {
            "net_arch": {"vf": [64], "pi": []},
            "lstm_hidden_size": 64,
            "ortho_init": False,
            "enable_critic_lstm": True,
        },
    }


# Functions from the budget in agent steps to settings, and numbers of parallel environments.
SB3: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "sb3-contrib, its defaults": (_sb3_defaults, 1),
    "sb3-contrib, our settings": (_our_settings, 1),
    "sb3-contrib, its acceptance test": (_sb3_acceptance_test, 8),
}


def run_in_gym(job: Job, environment: str) -> Record:
    """Train for the job's budget of agent steps, then evaluate with the most probable actions."""
    make_env = ENVIRONMENTS[environment]
    if job.contestant in OURS:
        return _run_ours(job, make_env)
    return run_sb3(job, make_env)


def _run_ours(job: Job, make_env: Callable[[], gym.Env]) -> Record:
    env = make_env()
    model = build_for(env, OURS[job.contestant], seed=job.seed, **job.settings)
    wall, cpu = time.perf_counter(), time.process_time()
    episodes = train(model, env, job.budget, seed=job.seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Record(
        steps=[episode.end_step for episode in episodes],
        scores=[episode.score for episode in episodes],
        wall_seconds=wall,
        cpu_seconds=cpu,
        evaluation=evaluate(model, make_env, _EVALUATION_EPISODES, seed=_EVALUATION_SEED),
    )


def run_sb3(job: Job, make_env: Callable[[], gym.Env]) -> Record:
    """Train a contestant of `SB3` for the job's budget of agent steps, then evaluate it.

    The score of an episode is its return, or whether it succeeded where the environment says so.
    """
    get_settings, n_envs = SB3[job.contestant]
    env = make_vec_env(make_env, n_envs=n_envs, seed=job.seed)
    if n_envs > 1:
        env = VecNormalize(env)  # as in sb3-contrib's test
    model = Sb3RecurrentPPO(
        "MlpLstmPolicy", env, seed=job.seed, device="cpu", **get_settings(job.budget)
    )
    successes = _Successes()
    wall, cpu = time.perf_counter(), time.process_time()
    model.learn(job.budget, callback=successes)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lengths, scores = _monitored_episodes(env)
    if isinstance(env, VecNormalize):
        env.training = env.norm_reward = False
    env.seed(_EVALUATION_SEED)
    evaluation, _ = evaluate_policy(
        model, env, n_eval_episodes=_EVALUATION_EPISODES, return_episode_rewards=True
    )
    assert isinstance(evaluation, list)
    return Record(
        steps=np.cumsum(lengths).tolist(),
        scores=successes.scores or scores,
        wall_seconds=wall,
        cpu_seconds=cpu,
        evaluation=[float(score) for score in evaluation],
    )


class _Successes(BaseCallback):
    """Stores the entry ``is_success`` of every completed episode."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[float] = []

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.scores += [float(info["is_success"]) for info in infos if "is_success" in info]
        return True


def _monitored_episodes(env: Any) -> tuple[list[int], list[float]]:
    """Return the lengths and scores of all episodes, ordered by their ends."""
    episodes = [
        (time_ended, length, score)
        for times, lengths, scores in zip(
            env.env_method("get_episode_times"),
            env.env_method("get_episode_lengths"),
            env.env_method("get_episode_rewards"),
            strict=True,
        )
        for time_ended, length, score in zip(times, lengths, scores, strict=True)
    ]
    episodes.sort()
    return [length for _, length, _ in episodes], [score for _, _, score in episodes]
