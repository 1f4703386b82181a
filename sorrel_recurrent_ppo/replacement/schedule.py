"""A schedule of replacement: at which epochs, which agents, by whom; read from a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.replacement.preset import settled_section
from sorrel_recurrent_ppo.replacement.selection import SelectionRule
from sorrel_recurrent_ppo.support.checks import check_integer, check_integers
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["Schedule", "read_schedule"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When which agents are replaced by whom.

    What it chooses at an epoch depends on the seed, the epoch and the group as it is then, not on
    what was chosen before; so a run that is continued chooses as one that never stopped.

    Attributes:
        rule: How the agents are chosen.
        epochs: Exactly these epochs, ascending; or ``None`` for ``start_epoch``, ``end_epoch`` and
            ``every``.
        start_epoch: The first epoch at which agents are replaced.
        end_epoch: The last at which they may be; ``None`` for the run's last.
        every: Epochs from one replacement to the next.
        models: Registry names to draw a newcomer's from; empty for the model that leaves.
        parameters: Changed parameters by model name; the key ``""`` is for whichever it is.
        checkpoint: A file for every newcomer; or one per index, ``None`` for a new model.
        seed: Seed of all choices and newcomers.

    Raises:
        ConfigError: A value is of the wrong type, out of range or contradicts another.
    """

    rule: SelectionRule
    seed: int
    epochs: tuple[int, ...] | None = None
    start_epoch: int = 1
    end_epoch: int | None = None
    every: int = 1
    models: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checkpoint: str | tuple[str | None, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("start_epoch", "end_epoch", "seed"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 0)
        check_integer("every", self.every, 1)
        if self.epochs is not None:
            check_integers("epochs", self.epochs, 0)
        if self.end_epoch is not None and self.end_epoch < self.start_epoch:
            raise ConfigError(
                f"end_epoch={self.end_epoch} is before start_epoch={self.start_epoch}"
            )
        if self.rule.probability == 0:
            raise ConfigError("probability=0 never replaces anybody; leave the schedule out")

    def fires_at(self, epoch: int) -> bool:
        """Say whether agents are replaced at the start of an epoch."""
        if self.epochs is not None:
            return epoch in self.epochs
        if epoch < self.start_epoch or (self.end_epoch is not None and epoch > self.end_epoch):
            return False
        return (epoch - self.start_epoch) % self.every == 0

    def check_run(self, last_epoch: int, oldest: int = 0) -> None:
        """Refuse a schedule that can never replace an agent in a run.

        Args:
            last_epoch: The number of the run's last epoch, Sorrel's ``experiment.epochs``.
            oldest: Epochs that the oldest agent completed in the group before the run.

        Raises:
            ConfigError: All its epochs, or one that it names, lie outside the run; or no agent can
                be old enough at any of them.
        """
        run = f"the run's epochs 0 to {last_epoch} (experiment.epochs={last_epoch})"
        outside = [epoch for epoch in self.epochs or () if epoch > last_epoch]
        if outside:
            raise ConfigError(f"epochs={list(self.epochs or ())}: {outside} not among {run}")
        firing = [epoch for epoch in range(last_epoch + 1) if self.fires_at(epoch)]
        if not firing:
            raise ConfigError(f"start_epoch={self.start_epoch} is not among {run}")
        if oldest + firing[-1] < self.rule.youngest_eligible:
            raise ConfigError(
                f"minimum_tenure={self.rule.minimum_tenure} (mode '{self.rule.mode}') can never be "
                f"reached: no agent is due to leave after epoch {firing[-1]}, when the oldest has "
                f"been there for {counted(oldest + firing[-1], 'epoch')}, in {run}"
            )

    def check_group(self, n_agents: int) -> None:
        """Raise ConfigError where the schedule asks for agents that a group of this size lacks."""
        self.rule.check_group(n_agents)
        if isinstance(self.checkpoint, tuple) and len(self.checkpoint) != n_agents:
            raise ConfigError(
                f"checkpoint lists {counted(len(self.checkpoint), 'file')} for "
                f"{counted(n_agents, 'agent')}; it must have one per agent, null for a new model"
            )

    def indices(self, n_agents: int) -> tuple[int, ...]:
        """Return the indices that the schedule may ever replace in a group of this size."""
        if self.rule.agent_ids is not None:
            return self.rule.agent_ids
        return tuple(range(n_agents))

    def choose(
        self, epoch: int, tenures: Sequence[int], rewards: Sequence[Sequence[float]]
    ) -> dict[int, str | None]:
        """Choose who is replaced at an epoch, and by which model.

        Args:
            epoch: The epoch that begins.
            tenures: Epochs each agent has completed in the group, by index.
            rewards: The rewards of the latest of these epochs, by index.

        Returns:
            The newcomer's registry name by index, ascending; ``None`` for the model that leaves.
            Empty when the schedule does not fire or no agent is chosen.
        """
        if not self.fires_at(epoch):
            return {}
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))
        chosen = self.rule.select(tenures, rng, rewards)
        if not self.models:
            return dict.fromkeys(chosen)
        # A draw for every index: a newcomer's model does not depend on who else is chosen.
        drawn = rng.integers(len(self.models), size=len(tenures))
        return {index: self.models[drawn[index]] for index in chosen}

    def newcomer_seed(self, epoch: int, index: int) -> int:
        """Return the seed of the newcomer at an index and epoch."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(epoch, index))
        return int(sequence.generate_state(1)[0])

    def parameters_for(self, model_name: str) -> dict[str, Any]:
        """Return the changed parameters of a newcomer of this kind."""
        return dict(self.parameters.get(model_name, self.parameters.get("", {})))

    def checkpoint_for(self, index: int) -> str | None:
        """Return the file that the newcomer at an index is loaded from, if any."""
        if isinstance(self.checkpoint, tuple):
            return self.checkpoint[index]
        return self.checkpoint


def read_schedule(section: Any, seed: int) -> Schedule | None:
    """Read the section ``replacement`` of a config.

    Args:
        section: The section; the name of a packaged schedule; or ``None`` or ``"none"``.
        seed: The seed where the section gives none.

    Returns:
        The schedule, or ``None`` if no agent is to be replaced.

    Raises:
        ConfigError: A key is unknown or a value does not fit. The message names the key.
    """
    if isinstance(section, DictConfig):
        section = OmegaConf.to_container(section, resolve=True)
    if section in (None, "none", {}):
        return None
    given = _packaged(section) if isinstance(section, str) else section
    if not isinstance(given, Mapping):
        raise ConfigError(f"replacement must be a section or a name, not {section!r}")
    given = settled_section(given)
    defaults = _read_yaml("base/schedule")
    for key in given:
        if key not in defaults:
            raise ConfigError(unknown_name("replacement has no key", key, defaults))
    try:
        return _schedule({**defaults, **given}, seed)
    except ConfigError as error:
        raise ConfigError(f"replacement.{error}") from None


def _packaged(name: str) -> dict[str, Any]:
    files = (config_dir() / "replacement").glob("*.yaml")
    names = sorted(path.stem for path in files if path.stem != "own")
    if name not in names:
        raise ConfigError(unknown_name("there is no packaged replacement", name, names))
    return {key: value for key, value in _read_yaml(name).items() if key != "defaults"}


def _read_yaml(name: str) -> dict[str, Any]:
    loaded = OmegaConf.to_container(OmegaConf.load(config_dir() / "replacement" / f"{name}.yaml"))
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()}


def _schedule(values: dict[str, Any], seed: int) -> Schedule:
    if values["mode"] is None:
        raise ConfigError("mode is missing")
    rule_names = [f.name for f in fields(SelectionRule)]
    rule = SelectionRule(**{name: values[name] for name in rule_names})
    models = _names(values["model"])
    return Schedule(
        rule=rule,
        seed=seed if values["seed"] is None else values["seed"],
        models=models,
        parameters=_parameters(values["parameters"], models),
        checkpoint=_checkpoint(values["checkpoint"]),
        **_times(values),
    )


def _times(values: dict[str, Any]) -> dict[str, Any]:
    spaced = {
        name: values[name]
        for name in ("start_epoch", "end_epoch", "every")
        if values[name] is not None
    }
    epochs = values["epochs"]
    if epochs is None:
        return spaced
    if spaced:
        raise ConfigError(
            f"epochs names the epochs one by one; {', '.join(spaced)} would do so in another way: "
            "set them, or epochs, to null"
        )
    return {"epochs": check_integers("epochs", epochs, 0)}


def _names(model: Any) -> tuple[str, ...]:
    names = () if model is None else (model,) if isinstance(model, str) else model
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"model must be a model's name, a list of names or null, not {model!r}")
    if model is not None and not names:
        raise ConfigError("model is an empty list; null stands for the model that leaves")
    return tuple(names)


def _parameters(value: Any, models: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"parameters must be a section, not {value!r}")
    if len(set(models)) < 2:
        return {"": _without_seed("parameters", value)}
    for name, section in value.items():
        if name not in models or not isinstance(section, Mapping):
            raise ConfigError(
                f"parameters.{name}: with several models, parameters holds a section for each of "
                f"{', '.join(models)}"
            )
    return {str(n): _without_seed(f"parameters.{n}", section) for n, section in value.items()}


def _without_seed(key: str, section: Mapping[str, Any]) -> dict[str, Any]:
    if "seed" in section:
        raise ConfigError(f"{key}.seed would make all newcomers alike; set replacement.seed")
    return dict(section)


def _checkpoint(value: Any) -> str | tuple[str | None, ...] | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Sequence) or not all(v is None or isinstance(v, str) for v in value):
        raise ConfigError(f"checkpoint must be a file, or one per agent, not {value!r}")
    return tuple(value)
