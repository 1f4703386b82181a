"""The tasks of the learning benchmark: environments, contestants, budgets and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from cue_recall_gym import CueRecallGym
from gym_envs import POPGYM
from gym_learning import SB3, run_in_gym, run_sb3
from records import Job, Record
from sorrel_learning import CONTESTANTS, run_in_sorrel
from sorrel_recurrent_ppo.config_files import model_defaults

__all__ = ["CORRIDORS", "TASKS", "Task", "defaults_of", "is_ours"]

CORRIDORS = (4, 8, 20, 35, 50, 70, 100)  # of the tasks cue_recall-4 to cue_recall-100

_BOTH = ("lstm_ppo", "gru_ppo")


@dataclass(frozen=True)
class Task:
    """A learning task.

    Attributes:
        run: Function that runs a job.
        contestants: Names of the contestants.
        budget: Number of epochs (Sorrel) or agent steps (gymnasium) of a run.
        unit: Unit of the budget.
        score: Description of a point of the learning curve.
        final: Function that computes the final score of a run.
        final_text: Description of the final score.
        seeds: Default number of seeds.
    """

    run: Callable[[Job], Record]
    contestants: tuple[str, ...]
    budget: int
    unit: str
    score: str
    final: Callable[[Record], float]
    final_text: str
    seeds: int = 5


def is_ours(contestant: str) -> bool:
    """Return whether a contestant is a model of this package, to which settings apply."""
    return contestant not in SB3 and _model_of(contestant) in _BOTH


def defaults_of(contestant: str) -> dict[str, Any] | None:
    """Return the packaged defaults on which a contestant's runs depend, if any."""
    model = _model_of(contestant)
    return model_defaults(model) if model else None


def _model_of(contestant: str) -> str | None:
    """Return the packaged model whose settings a contestant has, if any."""
    if contestant in SB3:
        return "lstm_ppo"
    return CONTESTANTS[contestant].model


def _last_tenth(record: Record) -> float:
    """Return the mean score of the epochs or episodes that end in the last tenth of the steps."""
    start = 0.9 * record.steps[-1]
    return fmean(s for step, s in zip(record.steps, record.scores, strict=True) if step > start)


def _evaluation(record: Record) -> float:
    return fmean(record.evaluation)


def _sorrel(
    environment: str,
    contestants: tuple[str, ...],
    budget: int,
    *,
    overrides: Sequence[str] = (),
    score: str | None = None,
) -> Task:
    return Task(
        run=partial(
            run_in_sorrel, environment=environment, overrides=tuple(overrides), score=score
        ),
        contestants=contestants,
        budget=budget,
        unit="epochs",
        score=score or "reward of all agents in an epoch",
        final=_last_tenth,
        final_text="mean over the last tenth of the epochs",
    )


def _cue_recall(corridor: int, n_steps: int, *overrides: str) -> Task:
    """Return a task in which an epoch has enough turns for at least one trial."""
    turns = max(200, 4 * corridor)
    overrides = (f"world.corridor={corridor}", f"experiment.max_turns={turns}", *overrides)
    contestants = (*_BOTH, *(f"{model}, state zeroed" for model in _BOTH), "iqn")
    return replace(
        _sorrel("cue_recall", contestants, n_steps // turns, score="success_rate"),
        run=partial(_run_cue_recall, overrides=overrides, turns=turns),
    )


def _run_cue_recall(job: Job, overrides: tuple[str, ...], turns: int) -> Record:
    """Run in Sorrel, or for sb3-contrib in the same lane as a gymnasium environment."""
    if job.contestant in SB3:
        in_steps = replace(job, budget=job.budget * turns)
        return run_sb3(in_steps, partial(CueRecallGym, overrides))
    return run_in_sorrel(job, "cue_recall", overrides, "success_rate")


def _popgym(environment: str) -> Task:
    return Task(
        run=partial(run_in_gym, environment=environment),
        contestants=(*_BOTH, "sb3-contrib, its defaults", "sb3-contrib, our settings"),
        budget=150_000,
        unit="agent steps",
        score="return of an episode",
        final=_last_tenth,
        final_text="mean over the episodes of the last tenth of the steps",
        seeds=3,
    )


TASKS: dict[str, Task] = {
    **{f"cue_recall-{corridor}": _cue_recall(corridor, 100_000) for corridor in CORRIDORS},
    "cue_recall-50-distractors": _cue_recall(50, 200_000, "world.distractors=true"),
    "cue_recall-100": _cue_recall(100, 300_000),
    "treasurehunt": _sorrel("treasurehunt", (*_BOTH, "iqn", "random", "expert"), 501),
    "cleanup": _sorrel("cleanup", (*_BOTH, "iqn", "random"), 300),
    "tag": _sorrel("tag", (*_BOTH, "iqn", "random"), 1_000),
    "iowa": _sorrel("iowa", (*_BOTH, "iqn", "random"), 500),
    "state_punishment": _sorrel(
        "state_punishment", ("gru_ppo", "gru_ppo, one head", "lstm_ppo", "iqn", "random"), 500
    ),
    # Without harm the total reward is the sum of the agents' objectives: it measures learning.
    "state_punishment-harmless": _sorrel(
        "state_punishment",
        ("gru_ppo", "gru_ppo, one head", "lstm_ppo", "iqn", "random"),
        500,
        overrides=[f"world.resources.{name}.harm=0.0" for name in ("coal", "gem")],
    ),
    **{name: _popgym(name) for name in POPGYM},
    "CartPoleNoVel": Task(
        run=partial(run_in_gym, environment="CartPoleNoVel"),
        contestants=(*_BOTH, "sb3-contrib, its acceptance test"),
        budget=50_000,
        unit="agent steps",
        score="return of an episode",
        final=_evaluation,
        final_text="mean of 20 episodes after training, most probable actions",
    ),
}
