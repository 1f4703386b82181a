"""Which runs belong together, and which must not be compared: by their configs."""

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
# How long an experiment runs and what it leaves behind is no part of its environment.
_BOOKKEEPING = ("experiment.epochs", "experiment.record_period", "experiment.animate")
# Of Sorrel's own models, in places that belong to its environments.
_LEARNING = ("model.type", "model.model_type", "model.parameters", "model.epsilon_decay")
_ABSENT = "(not set)"

type FlatConfig = Mapping[str, Any]


@dataclass
class RunGroup:
    """Runs that are alike but for their seeds.

    Attributes:
        label: The values that the group shares, such as ``"lstm_ppo"``.
        runs: Its runs.
    """

    label: str
    runs: list[SavedRun] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """A config key in which two runs differ that should not.

    Attributes:
        key: The key.
        values: Its value in each of the two.
        runs: The two.
    """

    key: str
    values: tuple[Any, Any]
    runs: tuple[SavedRun, SavedRun]

    def __str__(self) -> str:
        (one, other), (first, second) = self.values, self.runs
        return f"{self.key} is {one} in {first.directory} and {other} in {second.directory}"


def group_runs(runs: Iterable[SavedRun], keys: Sequence[str]) -> list[RunGroup]:
    """Put runs together that share the values of the keys, in the order of the labels.

    Args:
        runs: The runs.
        keys: ``"model"`` for the models' names, or config keys with dots.

    Raises:
        ConfigError: No run has such a key; the nearest is named.
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
    return [groups[values] for values in sorted(groups, key=lambda v: [_sortable(x) for x in v])]


def find_differences(groups: Sequence[RunGroup], keys: Sequence[str]) -> list[Difference]:
    """Return where runs differ that are to differ in the seed and the grouping keys alone.

    The environment must be the same in all runs. So must the models, but where they are what is
    grouped by: there within each group.

    Args:
        groups: What `group_runs` returns.
        keys: What it grouped by.
    """
    runs = [run for group in groups for run in group.runs]
    differences = _differences(runs, keys, of_models=False)
    for alike in [group.runs for group in groups] if MODEL in keys else [runs]:
        of_models = _differences(alike, keys, of_models=True)
        choices = [difference for difference in of_models if difference.key == "model.type"]
        # Another model has another section: that goes without saying.
        differences += choices or of_models
    return differences


def _differences(
    runs: Sequence[SavedRun], keys: Sequence[str], *, of_models: bool
) -> list[Difference]:
    """Compare each run with the first; one difference for each key."""
    found: dict[str, Difference] = {}
    own = [_relevant(run, keys, of_models=of_models) for run in runs]
    for run, settings in zip(runs[1:], own[1:], strict=True):
        for key in sorted(own[0].keys() | settings.keys()):
            values = (own[0].get(key, _ABSENT), settings.get(key, _ABSENT))
            if values[0] != values[1]:
                found.setdefault(key, Difference(key, values, (runs[0], run)))
    return list(found.values())


def _relevant(run: SavedRun, keys: Sequence[str], *, of_models: bool) -> FlatConfig:
    """Return the settings that matter for the environment, or for the models."""
    names, known = set(run.model_names), set(available_models())
    return {
        key: value
        for key, value in _flatten(run.config).items()
        if not any(_is_at_or_below(key, grouped) for grouped in keys if grouped != MODEL)
        and not any(_is_at_or_below(key, ignored) for ignored in (*_of_the_run(), *_BOOKKEEPING))
        and (_is_of_model(key, names) if of_models else not _is_of_model(key, names | known))
        and not _chooses_the_model_of_a_kind(key)
    }


@cache
def _of_the_run() -> tuple[str, ...]:
    """Return the keys of the program itself (seed, threads, ...): those that config.yaml sets."""
    config = OmegaConf.load(config_dir() / "config.yaml")
    assert isinstance(config, DictConfig)
    return tuple(str(key) for key in config)


def _is_of_model(key: str, names: Iterable[str]) -> bool:
    sections = (f"model.{name}" for name in names)
    return any(_is_at_or_below(key, section) for section in (*_LEARNING, *sections))


def _chooses_the_model_of_a_kind(key: str) -> bool:
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
    return _ABSENT if value is None else value


def _sortable(value: Any) -> tuple[bool, float, str]:
    """Order numbers by size, before everything else."""
    if isinstance(value, int | float):
        return (False, float(value), "")
    return (True, 0.0, str(value))
