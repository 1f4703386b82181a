"""Grouping of runs by their configs, and the differences that make them incomparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun

__all__ = ["Difference", "RunGroup", "find_differences", "group_runs"]

MODEL = "model"
# The length of an experiment and its recordings are not part of its environment.
_BOOKKEEPING = ("experiment.epochs", "experiment.record_period", "experiment.animate")
# Keys of Sorrel's own models that Sorrel's environments keep outside the models' sections.
_LEARNING = ("model.type", "model.model_type", "model.parameters", "model.epsilon_decay")
_NOT_SET = "(not set)"

type FlatConfig = Mapping[str, Any]


@dataclass
class RunGroup:
    """Runs that differ only in their seeds.

    Attributes:
        label: The values that the runs share, such as ``"lstm_ppo"``.
        runs: The runs.
    """

    label: str
    runs: list[SavedRun] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """A config key whose value should be the same in two runs but is not.

    Attributes:
        key: The key.
        values: Its value in each of the two runs.
        runs: The two runs.
    """

    key: str
    values: tuple[Any, Any]
    runs: tuple[SavedRun, SavedRun]

    def __str__(self) -> str:
        (one, other), (first, second) = self.values, self.runs
        return f"{self.key} is {one} in {first.directory} and {other} in {second.directory}"


def group_runs(runs: Iterable[SavedRun], keys: Sequence[str]) -> list[RunGroup]:
    """Group runs by the values of config keys, sorted by label.

    Args:
        runs: The runs.
        keys: ``"model"`` for the models' names, or dotted config keys.

    Raises:
        ConfigError: No run has one of the keys.
    """
    runs = list(runs)
    for key in keys:
        if key != MODEL and all(OmegaConf.select(run.config, key) is None for run in runs):
            known = list(_flatten(runs[0].config))
            raise ConfigError(unknown_name("no run has the config key", key, known))
    groups: dict[tuple[Any, ...], RunGroup] = {}
    for run in runs:
        values = tuple(_label_part(run, key) for key in keys)
        groups.setdefault(values, RunGroup(", ".join(map(str, values)))).runs.append(run)
    return [groups[values] for values in sorted(groups, key=lambda v: [_sort_key(x) for x in v])]


def find_differences(groups: Sequence[RunGroup], keys: Sequence[str]) -> list[Difference]:
    """Return the config keys, other than the seed and the grouping keys, in which runs differ.

    The settings of the environment must agree in all runs. Those of the models must agree within
    each group if runs are grouped by model, else in all runs.

    Args:
        groups: The groups returned by `group_runs`.
        keys: The keys they were grouped by.
    """
    runs = [run for group in groups for run in group.runs]
    differences = _differences(runs, keys, model_keys=False)
    for alike in [group.runs for group in groups] if MODEL in keys else [runs]:
        in_models = _differences(alike, keys, model_keys=True)
        in_choice = [difference for difference in in_models if difference.key == "model.type"]
        # Different models necessarily have different sections.
        differences += in_choice or in_models
    return differences


def _differences(
    runs: Sequence[SavedRun], keys: Sequence[str], *, model_keys: bool
) -> list[Difference]:
    """Compare each run with the first, and return at most one difference per key."""
    found: dict[str, Difference] = {}
    configs = [_compared_settings(run, keys, model_keys=model_keys) for run in runs]
    first = configs[0]
    for run, config in zip(runs[1:], configs[1:], strict=True):
        for key in sorted(first.keys() | config.keys()):
            values = (first.get(key, _NOT_SET), config.get(key, _NOT_SET))
            if values[0] != values[1]:
                found.setdefault(key, Difference(key, values, (runs[0], run)))
    return list(found.values())


def _compared_settings(run: SavedRun, keys: Sequence[str], *, model_keys: bool) -> FlatConfig:
    """Return the settings of a run's models, or those of its environment."""
    names, known = set(run.model_names), set(available_models())
    return {
        key: value
        for key, value in _flatten(run.config).items()
        if not any(_is_at_or_below(key, grouped) for grouped in keys if grouped != MODEL)
        and not any(_is_at_or_below(key, ignored) for ignored in (*_program_keys(), *_BOOKKEEPING))
        and (_is_model_key(key, names) if model_keys else not _is_model_key(key, names | known))
        and not _is_model_of_agent_kind(key)
    }


@cache
def _program_keys() -> tuple[str, ...]:
    """Return the program's own top-level keys (seed, threads, ...): those set in config.yaml."""
    config = OmegaConf.load(config_dir() / "config.yaml")
    assert isinstance(config, DictConfig)
    return tuple(str(key) for key in config)


def _is_model_key(key: str, names: Iterable[str]) -> bool:
    sections = (f"model.{name}" for name in names)
    return any(_is_at_or_below(key, section) for section in (*_LEARNING, *sections))


def _is_model_of_agent_kind(key: str) -> bool:
    return key.startswith("agent.") and key.endswith(".model")


def _is_at_or_below(key: str, section: str) -> bool:
    return f"{key}.".startswith(f"{section}.")


def _flatten(config: DictConfig, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, DictConfig):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            is_list = isinstance(value, ListConfig)
            flat[f"{prefix}{name}"] = OmegaConf.to_container(value) if is_list else value
    return flat


def _label_part(run: SavedRun, key: str) -> Any:
    if key == MODEL:
        return " + ".join(dict.fromkeys(run.model_names))
    value = OmegaConf.select(run.config, key)
    if isinstance(value, DictConfig | ListConfig):
        return str(OmegaConf.to_container(value))
    return _NOT_SET if value is None else value


def _sort_key(value: Any) -> tuple[bool, float, str]:
    """Sort numbers by value, before everything else."""
    if isinstance(value, int | float):
        return (False, float(value), "")
    return (True, 0.0, str(value))
