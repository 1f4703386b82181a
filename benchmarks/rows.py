"""The rows of the throughput benchmark: measurements, comparisons and targets.

All rates are agent steps per second on one thread. The contestants of a row are measured in the
same rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sorrel.environment import Environment

from acting_rows import acting, acting_and_products, microseconds_of_acting
from effort import Effort
from limits import Limit, count_products, measure_limit
from memory_use import buffer_bytes_per_step, growth_over_epochs, resident_bytes_per_step
from peers import build_sb3, sb3_settings
from report import Claim, Figure, Row
from sorrel_envs import build_sorrel_env, compose_config
from sorrel_recurrent_ppo.config_files import model_defaults
from stages import stages_of_rollouts
from timing import interleave, per_round, spread, stopwatch
from workloads import EPOCH_TURNS, FLAT150, GRID, Workload, build_model, run_epochs

__all__ = ["ROWS"]

_TORCHRL = "TorchRL, LSTMModule"


def training(effort: Effort) -> Row:
    """Measure acting and training on flat150, beside sb3-contrib, TorchRL and the limit."""
    shorter = {"sequence_length": 64}
    truncated = "lstm_ppo, sequence_length=64"
    sb3 = {f"sb3-contrib, minibatch {n}": n for n in effort.sb3_batch_sizes}
    limit = _LimitMeter(FLAT150)
    contestants = {
        "lstm_ppo": _our_rate(FLAT150),
        truncated: _our_rate(FLAT150, **shorter),
        **{name: _sb3_rate(size) for name, size in sb3.items()},
        _TORCHRL: (torchrl := _TorchRLMeter()),
    }
    samples = interleave(contestants | {"limit": limit}, effort.rounds)
    ours = samples["lstm_ppo"]
    # With one minibatch per rollout sb3-contrib makes fewer optimizer steps than our model.
    full_batch = f"sb3-contrib, minibatch {FLAT150.settings['rollout_length']}"
    minibatches = [name for name in sb3 if name != full_batch]
    best = max(minibatches, key=lambda name: spread(samples[name])["median"])
    settings = {
        "lstm_ppo": FLAT150.settings,
        truncated: shorter,
        **{name: sb3_settings(FLAT150, batch_size=size) for name, size in sb3.items()},
        _TORCHRL: FLAT150.settings,
    }
    return Row(
        "flat150 acting and training",
        [
            *(Figure(name, samples[name], "steps/s", settings[name]) for name in contestants),
            Figure(f"{_TORCHRL}, its update alone", torchrl.update_rates, "steps/s"),
            *limit.figures(),
        ],
        [
            *(
                Claim(f"rate over {name}", per_round(ours, samples[name]), 6.0, "at least")
                for name in (best, full_batch, _TORCHRL)
            ),
            Claim(
                f"{truncated}: rate over {best}",
                per_round(samples[truncated], samples[best]),
                6.0,
                "at least",
            ),
            limit.claim(ours),
        ],
    )


def grid(effort: Effort) -> Row:
    """Measure acting and training on a picture with two action branches, against the limit."""
    limit = _LimitMeter(GRID)
    rates = interleave({"gru_ppo": _our_rate(GRID), "limit": limit}, effort.rounds)["gru_ppo"]
    return Row(
        "grid acting and training",
        [Figure("gru_ppo", rates, "steps/s", GRID.settings), *limit.figures()],
        [limit.claim(rates)],
    )


def cleanup(effort: Effort) -> Row:
    """Measure a complete run of Sorrel's cleanup: ten agents with separate models, with updates."""
    rollout = effort.cleanup_rollout or model_defaults("lstm_ppo")["rollout_length"]
    ours = ["model.lstm_ppo.obs_type=flattened", f"model.lstm_ppo.rollout_length={rollout}"]
    n_epochs = -(-rollout // compose_config("cleanup", None, []).experiment.max_turns)
    # The cost of acting depends on the fraction of random actions, which IQN does not compute.
    epsilon = "model.iqn.parameters.epsilon"
    runs: dict[str, tuple[str | None, list[str]]] = {
        "lstm_ppo": ("lstm_ppo", ours),
        "Sorrel's IQN, mean epsilon of its run": (None, [f"{epsilon}={_mean_iqn_epsilon():.3f}"]),
        "Sorrel's IQN, epsilon of its start": (None, []),
        "Sorrel's IQN, every action computed": (None, [f"{epsilon}=0.0"]),
    }
    contestants = {
        name: _epoch_seconds(model, overrides, n_epochs)
        for name, (model, overrides) in runs.items()
    }
    samples = interleave(contestants, effort.cleanup_rounds)
    return Row(
        "cleanup, whole run",
        [Figure(name, samples[name], "s/epoch", {"config": runs[name][1]}) for name in runs],
        [
            Claim(
                f"time over that of {name}", per_round(samples["lstm_ppo"], times), 1.0, "at most"
            )
            for name, times in samples.items()
            if name != "lstm_ppo"
        ],
    )


def scale(effort: Effort) -> Row:
    """Measure the cost of a step and the memory, by rollout length and over epochs."""
    names = {f"lstm_ppo, rollout {n}": n for n in effort.rollout_lengths}
    contestants = {
        name: _our_rate(FLAT150, n_steps=n, rollout_length=n) for name, n in names.items()
    }
    samples = interleave(contestants, effort.rounds)
    first, *longer = names
    in_buffers = {n: [buffer_bytes_per_step(n)] for n in effort.rollout_lengths}
    longest = effort.rollout_lengths[-1]
    resident = [resident_bytes_per_step(longest)]
    growth = [growth_over_epochs(effort.growth_epochs)]
    grown = f"growth of the process, epochs {effort.growth_epochs // 5}-{effort.growth_epochs}"
    return Row(
        "cost against scale",
        [
            *(Figure(name, samples[name], "steps/s", {}) for name in names),
            *(Figure(f"buffers, rollout {n}", b, "bytes/step") for n, b in in_buffers.items()),
            Figure(f"process, rollout {longest}", resident, "bytes/step"),
            Figure(grown, growth, "bytes"),
        ],
        [
            *(
                Claim(
                    f"{n}: rate over {first}",
                    per_round(samples[n], samples[first]),
                    0.9,
                    "at least",
                )
                for n in longer
            ),
            *(Claim(f"buffers, rollout {n}", b, 6e3, "at most") for n, b in in_buffers.items()),
            Claim(f"process, rollout {longest}, bytes a step", resident, 6e3, "at most"),
            Claim(grown, growth, 1e6, "at most"),
        ],
    )


def units(effort: Effort) -> Row:
    """Compare GRU and LSTM on flat150 with the ratios that the specification states."""
    workloads = {name: replace(FLAT150, model=name) for name in ("gru_ppo", "lstm_ppo")}
    models = {name: build_model(workload) for name, workload in workloads.items()}
    gru, lstm = models["gru_ppo"].policy.core, models["lstm_ppo"].policy.core
    observations = FLAT150.observations(EPOCH_TURNS)
    acting_us = interleave(
        {
            n: partial(microseconds_of_acting, m, observations, effort.turns)
            for n, m in models.items()
        },
        effort.rounds,
    )
    rates = interleave({n: _our_rate(w) for n, w in workloads.items()}, effort.rounds)
    parameters = [sum(p.numel() for p in core.parameters()) for core in (gru, lstm)]
    return Row(
        "LSTM over GRU",
        [
            Figure("state memory (said: 2)", [lstm.state_size / gru.state_size], ""),
            Figure("recurrent parameters (said: 4/3)", [parameters[1] / parameters[0]], ""),
            Figure(
                "time of acting (said: 1.3 to 1.5)",
                per_round(acting_us["lstm_ppo"], acting_us["gru_ppo"]),
                "",
            ),
            Figure(
                "time of acting and training (said: 1.3 to 1.5)",
                per_round(rates["gru_ppo"], rates["lstm_ppo"]),
                "",
            ),
        ],
    )


def profile(effort: Effort) -> Row:
    """Measure the time of each stage of acting and training, on both workloads."""
    figures = []
    for workload in (FLAT150, GRID):
        n_steps = workload.settings["rollout_length"]
        model, observations = build_model(workload), workload.observations(EPOCH_TURNS)
        run_epochs(model, observations, n_steps // EPOCH_TURNS)
        stages = stages_of_rollouts(model, observations, n_steps, effort.rounds)
        figures += [
            Figure(f"{workload.name} {name}", [1e6 * s / n_steps for s in seconds], "us/step")
            for name, seconds in stages.items()
        ]
    return Row("profile", figures)


ROWS: Mapping[str, Callable[[Effort], Row]] = {
    "acting": acting,
    "products": acting_and_products,
    "training": training,
    "grid": grid,
    "cleanup": cleanup,
    "scale": scale,
    "units": units,
    "profile": profile,
}


def _our_rate(
    workload: Workload, n_steps: int | None = None, **overrides: Any
) -> Callable[[], float]:
    """Return a measurement of the steps per second over one rollout and its update."""
    model = build_model(workload, **overrides)
    observations = workload.observations(EPOCH_TURNS)
    n_epochs = -(-(n_steps or workload.settings["rollout_length"]) // EPOCH_TURNS)
    run = partial(run_epochs, model, observations, n_epochs)
    run()  # warm-up
    return lambda: n_epochs * EPOCH_TURNS / stopwatch(run)


def _sb3_rate(batch_size: int) -> Callable[[], float]:
    model = build_sb3(FLAT150, batch_size=batch_size)
    n_steps = model.n_steps
    model.learn(n_steps)  # warm-up
    learn = partial(model.learn, n_steps, reset_num_timesteps=False)
    return lambda: n_steps / stopwatch(learn)


class _TorchRLMeter:
    """A measurement of TorchRL's steps per second, which stores those of its update alone.

    Attributes:
        update_rates: One rate per measurement.
    """

    def __init__(self) -> None:
        from torchrl_peer import TorchRLLearner  # its import takes seconds

        self._learner = TorchRLLearner(FLAT150)
        self.update_rates: list[float] = []
        self()  # warm-up
        self.update_rates.clear()

    def __call__(self) -> float:
        """Return steps per second of acting and training."""
        learner = self._learner
        start = time.perf_counter()
        rollout = learner.collect()
        update = stopwatch(partial(learner.update, rollout))
        self.update_rates.append(learner.n_steps / update)
        return learner.n_steps / (time.perf_counter() - start)


class _LimitMeter:
    """A measurement of a workload's limit, which stores the components.

    Attributes:
        limits: One limit per measurement.
    """

    def __init__(self, workload: Workload) -> None:
        model = build_model(workload)
        picture = model.layout.picture
        self._products = count_products(model.policy, picture[1] * picture[2] if picture else 0)
        self._settings = model.settings
        self.limits: list[Limit] = []

    def __call__(self) -> float:
        """Return steps per second."""
        settings = self._settings
        limit = measure_limit(
            self._products,
            batch_size=settings.batch_size,
            sequence_length=settings.sequence_length,
            n_epochs=settings.n_epochs,
        )
        self.limits.append(limit)
        return limit.steps_per_second

    def figures(self) -> list[Figure]:
        """Return the limit and its components."""
        return [
            Figure("limit", [x.steps_per_second for x in self.limits], "steps/s"),
            Figure(
                "limit, all products at a minibatch's rate",
                [x.ideal_steps_per_second for x in self.limits],
                "steps/s",
            ),
            Figure("limit, acting", [1e6 * x.acting for x in self.limits], "us/step"),
            Figure("limit, training", [1e6 * x.training for x in self.limits], "us/step"),
        ]

    def claim(self, rates: list[float]) -> Claim:
        """Return the target for rates of the same rounds."""
        ratios = per_round(rates, [x.steps_per_second for x in self.limits])
        return Claim("rate over the limit", ratios, 0.6, "at least")


def _epoch_seconds(model: str | None, overrides: list[str], n_epochs: int) -> Callable[[], float]:
    """Return a measurement of the seconds per epoch in Sorrel's own runner."""
    env = build_sorrel_env("cleanup", model, seed=0, overrides=[*overrides, "experiment.epochs=0"])
    _run_quietly(env)  # warm-up
    env.config.experiment.epochs = n_epochs - 1  # Sorrel runs epochs 0 to this one
    return lambda: stopwatch(partial(_run_quietly, env)) / n_epochs


def _mean_iqn_epsilon() -> float:
    """Return the mean fraction of random actions of Sorrel's IQN over its cleanup run."""
    config = compose_config("cleanup", None, [])
    epochs = np.arange(config.experiment.epochs + 1)
    decay = (1.0 - config.model.epsilon_decay) ** epochs
    return float(config.model.iqn.parameters.epsilon * decay.mean())


def _run_quietly(env: Environment) -> None:
    with TemporaryDirectory() as directory:
        env.run_experiment(animate=False, logging=False, output_dir=Path(directory))
