"""The runs of the whole-loop benchmark: workloads, contestants, rates and shares."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from sorrel.environment import Environment
from sorrel.utils.logging import Logger

from sorrel_envs import build_sorrel_env
from sorrel_recurrent_ppo import accelerate
from stages import clocked

__all__ = ["WORKLOADS", "Contestant", "LoopWorkload", "contestants_of", "rate_of", "shares_of"]

_ROOT = Path(__file__).resolve().parent.parent
_N_WARM_UP = 6  # epochs of 100 turns: the first update, after 500 steps, is in the fifth
_PLAIN = ("accelerate=false", "threads=1")  # Sorrel as it is
# Also those of earlier versions, whose packaged values differ.
_SAME_SETTINGS = ("sequence_length=32", "rollout_length=500", "batch_size=128", "n_epochs=5")


@dataclass(frozen=True)
class LoopWorkload:
    """A Sorrel experiment with a number of agents.

    Attributes:
        environment: Name of the packaged environment config; ``None`` for the study of the tests,
            an environment per agent with 5 x 3 actions.
        n_agents_key: The config's key for the number of agents.
        settings: Settings of ``lstm_ppo``.
        iqn: Overrides for Sorrel's IQN that computes every action; ``None`` to leave it out.
        over_earlier: Least rate over that of an earlier version, on one thread and on more.
    """

    environment: str | None
    n_agents_key: str = ""
    settings: tuple[str, ...] = ()
    iqn: tuple[str, ...] | None = None
    over_earlier: tuple[float, float] = (1.0, 1.0)


WORKLOADS: Mapping[str, LoopWorkload] = {
    "treasurehunt, flattened": LoopWorkload(
        "treasurehunt", "model.num_agents", ("obs_type=flattened",), None, (1.7, 2.2)
    ),
    "treasurehunt, pictures": LoopWorkload(
        "treasurehunt", "model.num_agents", ("obs_type=image",), None, (1.5, 2.0)
    ),
    "cleanup, flattened": LoopWorkload(
        "cleanup",
        "agent.agent.num",
        ("obs_type=flattened",),
        ("model.iqn.parameters.epsilon=0.0",),
        (1.6, 1.6),
    ),
    "a study": LoopWorkload(None, over_earlier=(1.7, 1.7)),
}


@dataclass(frozen=True)
class Contestant:
    """What runs a workload.

    Attributes:
        name: Its name.
        model: Registry name of the model; ``own`` for the environment's.
        options: Overrides of the run.
        checkout: The checkout whose package runs.
        kind: Whether it is this version, an earlier one or Sorrel's IQN.
        threads: Number of training threads.
    """

    name: str
    model: str = "lstm_ppo"
    options: tuple[str, ...] = ()
    checkout: Path = _ROOT
    kind: Literal["this", "earlier", "iqn"] = "this"
    threads: int = 1


def contestants_of(workload: LoopWorkload, threads: int, earlier: Path | None) -> list[Contestant]:
    """Return the contestants of a workload.

    Args:
        workload: The workload.
        threads: Number of training threads of one more contestant, if above 1.
        earlier: A checkout of an earlier version, if any.
    """
    found = [
        Contestant("plain", options=_PLAIN),
        Contestant("accelerated", options=("accelerate=true", "threads=1")),
    ]
    if threads > 1 and workload.environment:
        options = ("accelerate=true", f"threads={threads}")
        name = f"accelerated, {threads} threads"
        found.append(Contestant(name, options=options, threads=threads))
    if workload.iqn is not None:
        name = "Sorrel's IQN, every action computed"
        found.append(Contestant(name, "own", (*_PLAIN, *workload.iqn), kind="iqn"))
    if earlier is not None:
        checkout = earlier.resolve()
        found.append(Contestant("earlier version", checkout=checkout, kind="earlier"))
    return found


def rate_of(workload: LoopWorkload, contestant: Contestant, n_agents: int, n_epochs: int) -> float:
    """Return the agent steps per second of a run in a process of its own, after a warm-up."""
    with TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        if workload.environment is None:
            options = [str(n_agents), str(_N_WARM_UP), str(n_epochs), *contestant.options]
            command = [sys.executable, str(_ROOT / "benchmarks" / "loop_study.py"), *options]
        else:
            command = [
                *(sys.executable, "-c", "from sorrel_recurrent_ppo.cli import main; main()"),
                *("run", f"environment={workload.environment}", f"model={contestant.model}"),
                *(f"{workload.n_agents_key}={n_agents}", f"hydra.run.dir={run}", "seed=1"),
                f"experiment.epochs={_N_WARM_UP + n_epochs - 1}",
                *contestant.options,
                *_model_options(workload, contestant),
            ]
        paths = os.pathsep.join(map(str, (contestant.checkout, _ROOT / "tests")))
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        finished = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": paths, **limits},
            cwd=directory,
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"{contestant.name}: {finished.stdout}{finished.stderr}")
        if workload.environment is None:
            return float(finished.stdout.split()[-1])
        return _rate_after_warm_up(run / "metrics.csv")


def _model_options(workload: LoopWorkload, contestant: Contestant) -> list[str]:
    if contestant.model == "own":
        return []
    return [f"model.{contestant.model}.{text}" for text in (*_SAME_SETTINGS, *workload.settings)]


def _rate_after_warm_up(metrics: Path) -> float:
    """Return the agent steps per second from a run's ``metrics.csv``."""
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = float(rows[-1]["steps"]) - float(rows[_N_WARM_UP - 1]["steps"])
    return steps / sum(float(row["seconds"]) for row in rows[_N_WARM_UP:])


class _QuietLogger(Logger):
    """A logger that prints nothing."""


def shares_of(workload: LoopWorkload, n_agents: int, *, is_accelerated: bool) -> dict[str, float]:
    """Return the microseconds of an agent step by part of Sorrel's loop.

    Args:
        workload: A workload with a packaged environment.
        n_agents: Number of agents.
        is_accelerated: Whether Sorrel is accelerated.
    """
    assert workload.environment is not None
    contestant, n_epochs = Contestant("plain"), 10
    overrides = [
        f"{workload.n_agents_key}={n_agents}",
        f"experiment.epochs={n_epochs - 1}",
        "experiment.record_period=1000",
        *_model_options(workload, contestant),
    ]
    env = build_sorrel_env(workload.environment, "lstm_ppo", seed=1, overrides=overrides)
    env.take_turn()  # measures the processor's kernels
    accelerate(is_accelerated)
    try:
        with TemporaryDirectory() as directory, clocked(_parts(env), "the rest") as seconds:
            env.run_experiment(
                animate=False, logger=_QuietLogger(n_epochs), output_dir=Path(directory)
            )
    finally:
        accelerate(False)
    n_steps = n_epochs * env.config.experiment.max_turns * n_agents
    return {part: 1e6 * spent / n_steps for part, spent in seconds.items()}


def _parts(env: Environment) -> list[tuple[object, str, str]]:
    """Return the functions whose time is measured, with the part of the loop they belong to."""
    agent: Any = env.agents[0]
    return [
        (type(env), "reset", "reset"),
        (type(agent), "pov", "observe"),
        (type(agent.model), "take_action", "act"),
        (type(agent), "add_memory", "store"),
        (type(agent.model), "train_step", "train"),
    ]
