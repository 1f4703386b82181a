"""The tasks of the learning benchmark: what is run, by whom, for how long, and what counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from gym_learning import SB3, run_in_gym
from records import Job, Record
from sorrel_learning import CONTESTANTS, run_in_sorrel
from sorrel_recurrent_ppo.config_files import model_defaults

__all__ = ["TASKS", "Task", "defaults_of", "is_ours"]

_BOTH = ("lstm_ppo", "gru_ppo")


@dataclass(frozen=True)
class Task:
    """A learning task.

    Attributes:
        run: Runs a job.
        contestants: Who takes part.
        budget: Epochs (Sorrel) or agent steps (gymnasium) of a run.
        unit: Which of the two.
        score: What a point of the curve is.
        final: Sums a run up in the number that is compared.
        final_text: What that number is.
        seeds: How many seeds by default.
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
    """Whether a contestant is a model of ours, to which settings apply."""
    return contestant not in SB3 and _model_of(contestant) in _BOTH


def defaults_of(contestant: str) -> dict[str, Any] | None:
    """Return the packaged defaults that a contestant's runs depend on, if any."""
    model = _model_of(contestant)
    return model_defaults(model) if model else None


def _model_of(contestant: str) -> str | None:
    """Return the packaged model that a contestant is, or whose settings it has."""
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


def _cue_recall(corridor: int, budget: int) -> Task:
    return _sorrel(
        "cue_recall",
        (*_BOTH, *(f"{model}, state zeroed" for model in _BOTH), "iqn"),
        budget,
        overrides=(f"world.corridor={corridor}",),
        score="success_rate",
    )


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
    # An epoch of cue_recall is 200 steps: 60,000 and 200,000 steps.
    "cue_recall-8": _cue_recall(8, 300),
    "cue_recall-20": _cue_recall(20, 1_000),
    "treasurehunt": _sorrel("treasurehunt", (*_BOTH, "iqn", "random", "expert"), 501),
    "cleanup": _sorrel("cleanup", (*_BOTH, "iqn", "random"), 300),
    "tag": _sorrel("tag", (*_BOTH, "iqn", "random"), 1_000),
    "iowa": _sorrel("iowa", (*_BOTH, "iqn", "random"), 500),
    "state_punishment": _sorrel(
        "state_punishment", ("gru_ppo", "gru_ppo, one head", "lstm_ppo", "iqn", "random"), 500
    ),
    # Without harm the agents' total reward is what each of them is after, so it tells who learns.
    "state_punishment-harmless": _sorrel(
        "state_punishment",
        ("gru_ppo", "gru_ppo, one head", "lstm_ppo", "iqn", "random"),
        500,
        overrides=[f"world.resources.{name}.harm=0.0" for name in ("coal", "gem")],
    ),
    "PositionOnlyCartPoleEasy": _popgym("PositionOnlyCartPoleEasy"),
    "RepeatFirstEasy": _popgym("RepeatFirstEasy"),
    "RepeatPreviousEasy": _popgym("RepeatPreviousEasy"),
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
