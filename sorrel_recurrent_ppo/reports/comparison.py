"""Comparison of runs over seeds: groups, scores of each run, and estimates for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.run_groups import RunGroup, find_differences, group_runs
from sorrel_recurrent_ppo.reports.run_scores import (
    SCORE_NAMES,
    RunCurve,
    RunScores,
    lowest_final,
    read_curve,
    score_run,
)
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.statistics import Estimate, interquartile_mean

__all__ = ["Comparison", "GroupResult", "compare_runs"]

_MAX_LISTED = 5


@dataclass(frozen=True)
class GroupResult:
    """The results of the runs of one group.

    Attributes:
        label: The group's label.
        curves: The curve of each run.
        scores: The scores of each run.
        estimates: The estimate of each field of `RunScores`, by name, over the runs. A score that
            a run does not have is missing.
    """

    label: str
    curves: list[RunCurve]
    scores: list[RunScores]
    estimates: dict[str, Estimate]

    @property
    def n_seeds(self) -> int:
        """The number of runs."""
        return len(self.curves)


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        by: The keys that runs are grouped by, separated by commas.
        metric: The compared column of ``metrics.csv``.
        groups: The result of each group.
        n_epochs: The number of compared epochs, that of the shortest run.
        threshold: The level for ``epochs_to_threshold``.
        notes: Remarks for the user, one sentence each.
    """

    by: str
    metric: str
    groups: list[GroupResult]
    n_epochs: int
    threshold: float
    notes: list[str]


def compare_runs(
    runs: Sequence[SavedRun],
    *,
    by: str = "model",
    metric: str = "reward",
    threshold: float | None = None,
    force: bool = False,
) -> Comparison:
    """Group runs and estimate each group's scores over its seeds.

    Args:
        runs: The runs. Unreadable ones are left out, with a note.
        by: ``"model"`` or config keys to group by, separated by commas.
        metric: The column of ``metrics.csv`` to compare.
        threshold: The level for ``epochs_to_threshold``; ``None`` for the lowest mean final value
            of a group.
        force: Whether to compare runs despite differing configs or repeated seeds.

    Raises:
        ConfigError: No run can be read, a key does not exist, or runs are not comparable.
    """
    keys = [key.strip() for key in by.split(",") if key.strip()]
    if not keys:
        raise ConfigError("by=... needs at least one key, such as by=model")
    curves, notes = _read_curves(runs, metric)
    groups = group_runs([curve.run for curve in curves], keys)
    notes += _check_comparable(groups, keys, force=force)
    by_directory = {curve.run.directory: curve for curve in curves}
    grouped = [[by_directory[run.directory] for run in group.runs] for group in groups]
    n_epochs, length_notes = _common_length(curves)
    notes += length_notes
    notes += _untrained_notes(groups)
    if threshold is None:
        threshold = lowest_final(grouped, n_epochs)
    results = [
        _group_result(group.label, own, n_epochs, threshold)
        for group, own in zip(groups, grouped, strict=True)
    ]
    return Comparison(by, metric, results, n_epochs, threshold, notes)


def _read_curves(runs: Sequence[SavedRun], metric: str) -> tuple[list[RunCurve], list[str]]:
    curves: list[RunCurve] = []
    reasons: list[str] = []
    for run in runs:
        try:
            run.model_names  # noqa: B018 - raises if the run has no usable config
            curves.append(read_curve(run, metric))
        except ConfigError as error:
            reasons.append(str(error))
    if not curves:
        raise ConfigError("no run can be compared: " + "; ".join(reasons))
    return curves, [f"Left out: {reason}." for reason in reasons]


def _check_comparable(groups: Sequence[RunGroup], keys: Sequence[str], *, force: bool) -> list[str]:
    """Raise ConfigError if runs are not comparable; with ``force``, return a note instead."""
    problems = [str(difference) for difference in find_differences(groups, keys)]
    problems = problems or _repeated_seeds(groups)  # different runs may share a seed
    if len(problems) > _MAX_LISTED:
        problems[_MAX_LISTED:] = [f"and {len(problems) - _MAX_LISTED} more"]
    if problems and not force:
        advice = "group by a key with by=..., or compare them anyway with force=true"
        raise ConfigError(f"the runs are not comparable: {'; '.join(problems)} ({advice})")
    return [f"Compared despite differences: {'; '.join(problems)}."] if problems else []


def _untrained_notes(groups: Sequence[RunGroup]) -> list[str]:
    """Name the runs whose models have made no update, and mark groups of only such runs."""
    untrained = {id(run): run for group in groups for run in group.runs if run.is_untrained}
    for group in groups:
        if all(id(run) in untrained for run in group.runs):
            group.label += " (no updates)"
    if not untrained:
        return []
    listed = [str(run.directory) for run in untrained.values()]
    if len(listed) > _MAX_LISTED:
        listed[_MAX_LISTED:] = [f"and {len(listed) - _MAX_LISTED} more"]
    return [
        f"No model was updated in {', '.join(listed)}: an update needs rollout_length steps of an "
        "agent. Use more epochs, or model.<name>.rollout_length=null to update after every epoch."
    ]


def _repeated_seeds(groups: Sequence[RunGroup]) -> list[str]:
    repeated: list[str] = []
    for group in groups:
        by_seed: dict[object, SavedRun] = {}
        for run in group.runs:
            seed = run.config.get("seed")
            if seed is not None and seed in by_seed:
                directories = f"{by_seed[seed].directory} and in {run.directory}"
                repeated.append(f"seed {seed} of {group.label} is in {directories}")
            by_seed[seed] = run
    return repeated


def _common_length(curves: Sequence[RunCurve]) -> tuple[int, list[str]]:
    shortest, longest = (choose(curves, key=lambda curve: curve.n_epochs) for choose in (min, max))
    if shortest.n_epochs == longest.n_epochs:
        return shortest.n_epochs, []
    note = (
        f"Compared over the first {shortest.n_epochs} epochs, the length of the shortest run, "
        f"{shortest.run.directory}; the longest has {longest.n_epochs}."
    )
    return shortest.n_epochs, [note]


def _group_result(
    label: str, curves: list[RunCurve], n_epochs: int, threshold: float
) -> GroupResult:
    scores = [score_run(curve, n_epochs, threshold) for curve in curves]
    columns = np.array([astuple(score) for score in scores], dtype=float).T
    estimates = {
        name: interquartile_mean(column)
        for name, column in zip(SCORE_NAMES, columns, strict=True)
        if np.isfinite(column).all()  # old runs have no speed
    }
    return GroupResult(label, curves, scores, estimates)
