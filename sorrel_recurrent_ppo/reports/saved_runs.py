"""Finding the directories of runs, and reading their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.registry import available_models, is_ppo_model, load_model_class
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_blocks import read_blocks, to_numbers, to_text
from sorrel_recurrent_ppo.support.epoch_curve import read_metrics_file

__all__ = ["AgentSummary", "SavedRun", "find_runs", "read_metrics"]

_HYDRA_FOLDER = ".hydra"
_MOST_LISTED = 6


@dataclass(frozen=True)
class AgentSummary:
    """An agent of a run.

    Attributes:
        name: The agent's name.
        index: Its index in ``env.agents``.
        model_name: The registry name of its model, or the class name of a model without one.
        n_epochs: The number of epochs in which it was present.
        last_epoch: The last of them; 0 in runs without ``agents.csv``.
        kind: Its kind; empty in runs that did not record it.
        n_updates: The updates of its model; ``None`` if the run does not say.
    """

    name: str
    index: int
    model_name: str
    n_epochs: int
    last_epoch: int = 0
    kind: str = ""
    n_updates: int | None = None


@dataclass(frozen=True)
class SavedRun:
    """A run's directory, whose files are read when first needed.

    Attributes:
        directory: The run's directory.
    """

    directory: Path

    @property
    def files(self) -> RunFiles:
        """The paths of its files."""
        return RunFiles(self.directory)

    @cached_property
    def config(self) -> DictConfig:
        """The resolved config, or Hydra's copy if the run did not write one.

        Raises:
            ConfigError: There is no config, or it cannot be read.
        """
        for path in (self.files.config, self.directory / _HYDRA_FOLDER / "config.yaml"):
            if path.is_file():
                return _read_config(path)
        below = [str(p) for p in _runs_below(self.directory) if p != self.directory]
        if len(below) > _MOST_LISTED:
            below[_MOST_LISTED:] = ["..."]
        hint = f"; runs below it: {', '.join(below)}" if below else ""
        raise ConfigError(f"{self.directory} has no {self.files.config.name}{hint}")

    @cached_property
    def model_names(self) -> list[str]:
        """The registry names in ``model.type``: one for all agents, or one per agent.

        Where the config has none, those of the models in ``agents.csv``, which the environment has
        built itself.

        Raises:
            ConfigError: There is no config, or neither it nor ``agents.csv`` names a model.
        """
        chosen = OmegaConf.select(self.config, "model.type")
        if chosen is None and self.files.agents.is_file():
            return list(dict.fromkeys(agent.model_name for agent in self.agents))
        if chosen is None:
            raise ConfigError(f"{self.directory}: the config has no key model.type")
        return [str(chosen)] if isinstance(chosen, str) else [str(name) for name in chosen]

    @cached_property
    def agents(self) -> list[AgentSummary]:
        """All agents of the run, including replaced ones, sorted by name.

        Old runs have no ``agents.csv``: their agents are those that have a checkpoint.

        Raises:
            ConfigError: No config names the models, or ``agents.csv`` is damaged.
        """
        if not self.files.agents.is_file():
            return self._agents_with_checkpoints()
        try:
            found = _summaries(self.files.agents)
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f"{self.files.agents} is damaged: {error!r}") from error
        return sorted(found, key=lambda agent: (int(agent.name), agent.name))

    @property
    def last_agents(self) -> list[AgentSummary]:
        """The agents of the last epoch, sorted by index."""
        last_epoch = max((agent.last_epoch for agent in self.agents), default=0)
        present = [agent for agent in self.agents if agent.last_epoch == last_epoch]
        return sorted(present, key=lambda agent: agent.index)

    @property
    def is_untrained(self) -> bool:
        """Whether it has recurrent PPO models, none of which has made an update."""
        known = [agent.n_updates for agent in self.agents if agent.n_updates is not None]
        return bool(known) and not any(known)

    def _agents_with_checkpoints(self) -> list[AgentSummary]:
        stems = (path.stem for path in self.files.checkpoints.glob("*.pt"))
        indices = sorted(int(stem) for stem in stems if stem.isdecimal())
        names = self.model_names
        if len(names) > 1 and len(names) <= max(indices, default=0):
            raise ConfigError(
                f"{self.directory}: model.type names {len(names)} models, but there is a "
                f"checkpoint of agent {max(indices)}"
            )
        return [
            AgentSummary(str(i), i, names[i] if len(names) > 1 else names[0], self._n_epochs())
            for i in indices
        ]

    def _n_epochs(self) -> int:
        has_metrics = self.files.metrics.is_file()
        return int(read_metrics(self, [])["epochs"].sum()) if has_metrics else 0


def _summaries(path: Path) -> list[AgentSummary]:
    """Return the agents in ``agents.csv``, with the index that each had last."""
    found: dict[str, AgentSummary] = {}
    names = ("epoch", "epochs", "agent", "index", "model", "kind", "train/n_updates")
    for block in read_blocks(path, names):
        agents, inverse = np.unique(block["agent"], return_inverse=True)
        n_rows = len(inverse)
        n_epochs = np.bincount(inverse, _counts(block, n_rows), minlength=len(agents))
        last = np.zeros(len(agents), np.int64)
        np.maximum.at(last, inverse, np.arange(n_rows))
        for name, row, n in zip(to_text(agents), last, n_epochs, strict=True):
            cells = {column: str(to_text(array[row])) for column, array in block.items()}
            before = found[str(name)].n_epochs if str(name) in found else 0
            found[str(name)] = AgentSummary(
                str(name),
                int(cells["index"]),
                cells["model"],
                before + int(n),
                int(cells["epoch"]),
                cells.get("kind", ""),
                _n_updates(cells["model"], cells.get("train/n_updates", "")),
            )
    return list(found.values())


def _counts(block: Mapping[str, np.ndarray], n_rows: int) -> np.ndarray:
    """Return the number of epochs of each row."""
    return to_numbers(block["epochs"]) if "epochs" in block else np.ones(n_rows)


def _n_updates(model_name: str, cell: str) -> int | None:
    """Return the number of updates in a cell, which is empty before the first one."""
    if cell:
        return int(float(cell))
    is_ppo = model_name in available_models() and is_ppo_model(load_model_class(model_name))
    return 0 if is_ppo else None


def find_runs(paths: Iterable[Path]) -> list[SavedRun]:
    """Return the runs at or below the paths, without duplicates.

    Args:
        paths: Directories of runs, or directories that contain runs, such as that of a sweep.

    Raises:
        ConfigError: A path is not a directory, or contains no run.
    """
    found: dict[Path, SavedRun] = {}
    for path in paths:
        if not path.is_dir():
            raise ConfigError(f"{path} is not a directory; expected that of a run or sweep")
        below = list(_runs_below(path))
        if not below:
            raise ConfigError(f"there is no run in {path}: found no config.yaml or metrics.csv")
        for directory in below:
            found.setdefault(directory.resolve(), SavedRun(directory))
    return list(found.values())


def read_metrics(run: SavedRun, names: Sequence[str] | None = None) -> Mapping[str, np.ndarray]:
    """Read columns of a run's ``metrics.csv``; see `read_metrics_file`.

    Raises:
        ConfigError: The file is missing, has no epochs, or is damaged.
    """
    path = run.files.metrics
    if not path.is_file():
        raise ConfigError(f"{run.directory} has no {path.name}")
    metrics = read_metrics_file(path, names)
    counts = metrics["epochs"]
    if not (counts >= 1).all() or not np.array_equal(metrics["epoch"], np.cumsum(counts) - 1):
        raise ConfigError(f"{path} is damaged: its epochs are not 0, 1, 2, ...")
    return metrics


def _read_config(path: Path) -> DictConfig:
    try:
        config = OmegaConf.load(path)
    except Exception as error:  # from YAML, OmegaConf or the disk
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path} is not the config of a run: expected a mapping")
    return config


def _runs_below(path: Path) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(path):
        if {"config.yaml", "metrics.csv"} & set(files) or _HYDRA_FOLDER in subfolders:
            yield Path(folder)
            subfolders.clear()
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
