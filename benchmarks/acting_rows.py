"""The rows of the throughput benchmark about acting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from effort import Effort
from limits import count_products, seconds_of
from peers import IQN_FRAMES, build_iqn
from report import Claim, Figure, Row
from sorrel_recurrent_ppo.models import RecurrentPPO
from timing import interleave, per_round, stopwatch
from workloads import EPOCH_TURNS, FLAT150, PICTURE, act, build_model

__all__ = ["acting", "acting_and_products", "microseconds_of_acting"]

_N_MODELS = 10
_MOST = 1.5  # times the products, or the reading of the weights


def acting(effort: Effort) -> Row:
    """Measure ``take_action`` and ``memory.add``, compared with Sorrel's IQN."""
    observations = FLAT150.observations(EPOCH_TURNS)
    stacked = np.repeat(observations, IQN_FRAMES, axis=2)
    contestants = {
        "lstm_ppo": partial(
            microseconds_of_acting, build_model(FLAT150), observations, effort.turns
        ),
        "Sorrel's IQN": partial(
            microseconds_of_acting, build_iqn(FLAT150, epsilon=0.0), stacked, effort.turns
        ),
    }
    samples = interleave(contestants, effort.rounds)
    ratios = per_round(samples["lstm_ppo"], samples["Sorrel's IQN"])
    return Row(
        "flat150 acting",
        [
            Figure("lstm_ppo", samples["lstm_ppo"], "us/step", FLAT150.settings),
            Figure(
                "Sorrel's IQN",
                samples["Sorrel's IQN"],
                "us/step",
                {"layer_size": 250, "n_frames": IQN_FRAMES, "epsilon": 0.0},
            ),
        ],
        [Claim("time over that of Sorrel's IQN", ratios, 0.4, "at most")],
    )


def acting_and_products(effort: Effort) -> Row:
    """Compare acting with its products, and ten models in turn with reading their weights."""
    figures: list[Figure] = []
    claims: list[Claim] = []
    for workload, area in ((FLAT150, 0), (PICTURE, 25)):
        models = [build_model(workload, seed=seed) for seed in range(_N_MODELS)]
        observations = workload.observations(EPOCH_TURNS)
        products = count_products(models[0].policy, area)
        weights = [_weights_of(model) for model in models]
        samples = interleave(
            {
                "one model": partial(microseconds_of_acting, models[0], observations, effort.turns),
                "its products": lambda p=products: 1e6 * seconds_of([*p.layers, p.recurrent]),
                "ten models in turn": partial(_in_turn, models, observations, effort.turns),
                "reading their weights": partial(_reading, weights, effort.turns),
            },
            effort.rounds,
        )
        figures += [Figure(f"{workload.name}, {k}", v, "us/step") for k, v in samples.items()]
        pairs = (("one model", "its products"), ("ten models in turn", "reading their weights"))
        claims += [
            Claim(
                f"{workload.name}: {ours} over {least}",
                per_round(samples[ours], samples[least]),
                _MOST,
                "at most",
            )
            for ours, least in pairs
        ]
    return Row("acting beside its products", figures, claims)


def microseconds_of_acting(model: Any, observations: np.ndarray, turns: int) -> float:
    """Return microseconds per turn of an epoch, after a warm-up epoch."""
    for n_turns in (EPOCH_TURNS, turns):
        model.memory.clear()
        model.start_epoch_action(epoch=0)
        seconds = stopwatch(partial(act, model, observations, n_turns))
        model.end_epoch_action(epoch=0)
    return 1e6 * seconds / turns


def _in_turn(models: Sequence[RecurrentPPO], observations: np.ndarray, turns: int) -> float:
    """Return microseconds per step of several models that act one after another, as in a run."""

    def act_in_turn(n_turns: int) -> None:
        for turn in range(n_turns):
            for model in models:
                obs = observations[turn % len(observations)]
                model.memory.add(obs, model.take_action(obs), 1.0, False)

    n_turns = turns // len(models)
    for n in (n_turns // 4, n_turns):
        for model in models:
            model.memory.clear()
            model.start_epoch_action(epoch=0)
        seconds = stopwatch(partial(act_in_turn, n))
        for model in models:
            model.end_epoch_action(epoch=0)
    return 1e6 * seconds / (n_turns * len(models))


def _weights_of(model: RecurrentPPO) -> np.ndarray:
    """Return a copy of a model's weight matrices as one vector."""
    matrices = [weight for weight in model.policy.parameters() if weight.ndim > 1]
    return np.concatenate([weight.detach().numpy().reshape(-1) for weight in matrices])


def _reading(weights: Sequence[np.ndarray], turns: int) -> float:
    """Return microseconds per vector for reading several in turn, each by one product."""
    n_turns = turns // len(weights)

    def read() -> None:
        for _ in range(n_turns):
            for vector in weights:
                np.dot(vector, vector)

    read()
    return 1e6 * stopwatch(read) / (n_turns * len(weights))
