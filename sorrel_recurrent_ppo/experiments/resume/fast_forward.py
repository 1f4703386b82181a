"""Fast-forward the epoch loop of an experiment to the epoch from which a run resumes.

``run_experiment`` always counts from 0. The first epochs are therefore skipped: they take no turns,
train nothing and write nothing. The saved state is restored when the first epoch to run begins:
at its reset, or at its first turn in an environment that is not reset between epochs.
A coordinator's own code runs in skipped epochs too, with one turn each and agents that do nothing;
what it changes is then overwritten by the saved state.

Sorrel's own loop does not skip the first epochs one by one, which would take minutes for a million
of them: its ``range`` starts at the first epoch to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import sorrel.environment
from omegaconf import DictConfig
from sorrel.environment import Environment

from sorrel_recurrent_ppo.experiments.built_experiment import BuiltExperiment
from sorrel_recurrent_ppo.support.instance_overrides import overridden

__all__ = ["skipping_epochs"]


class _NoReward(float):
    """The result of an action in a skipped epoch: 0, or the pair of 0 and an empty record."""

    def __iter__(self) -> Iterator[Any]:
        return iter((0.0, {}))


# The methods that an epoch loop calls, and their replacements in a skipped epoch.
_MODEL_HOOKS: dict[str, Callable[..., Any]] = {
    "start_epoch_action": lambda **_: None,
    "end_epoch_action": lambda **_: None,
    "train_step": lambda: np.array(0.0),
    "epsilon_decay": lambda _: None,
    "save": lambda _=None, **__: None,
}
_AGENT_RESULTS: dict[str, Any] = {
    "transition": None,
    "get_action": 0,
    "act": _NoReward(),
    "add_memory": None,
}


@contextmanager
def skipping_epochs(
    experiment: BuiltExperiment, n_epochs: int, restore: Callable[[bool], None]
) -> Iterator[None]:
    """Skip the first epochs of the ``run_experiment`` that is called in the block.

    The logger is still called for them and must ignore them.

    Args:
        experiment: The experiment, with its agents.
        n_epochs: Number of epochs to skip; with 0 nothing is overridden or restored.
        restore: Called when the first epoch to run begins, before its reset or first turn, with
            whether it begins without a reset.
    """
    if not n_epochs:
        yield
        return
    with ExitStack() as undo:
        _Skipping(experiment, n_epochs, restore, undo)
        yield


class _Skipping:
    """Counts and skips epochs until the first one to run begins."""

    def __init__(
        self,
        experiment: BuiltExperiment,
        n_epochs: int,
        restore: Callable[[bool], None],
        undo: ExitStack,
    ) -> None:
        self._experiment, self._n_epochs = experiment, n_epochs
        self._restore, self._undo = restore, undo
        self._n_begun = 0
        self._reset: set[int] = set()  # objects that have been reset in the current epoch
        self._has_acted = False
        self._max_turns = experiment.config.experiment.max_turns
        self._skipped: dict[int, object] = {}  # agents and models that are overridden
        population = experiment.population
        for env in population.environments:
            self._override(env, "reset", partial(self._reset_or_start, env))
            self._override(env, "take_turn", partial(self._take_turn, env))
        self._skip_agents()
        if experiment.is_coordinated:
            self._override_coordinator(experiment.runner)
        elif experiment.runs_sorrels_loop:
            self._shorten_loop()

    def _shorten_loop(self) -> None:
        """Let the loop of Sorrel's ``run_experiment`` start at the first epoch to run.

        Should an example or a version of Sorrel loop in another way, the epochs are skipped one by
        one.
        """
        n_all = self._experiment.config.experiment.epochs + 1

        def late_range(*arguments: int) -> range:
            if arguments != (n_all,) or self._n_begun:
                return range(*arguments)
            self._n_begun = self._n_epochs
            return range(self._n_epochs, n_all)

        setattr(sorrel.environment, "range", late_range)  # noqa: B010 - no attribute by itself
        self._undo.callback(delattr, sorrel.environment, "range")

    def _override(self, owner: object, name: str, value: Any) -> None:
        self._undo.enter_context(overridden(owner, name, value))

    def _override_coordinator(self, coordinator: Any) -> None:
        if callable(getattr(type(coordinator), "reset", None)):
            self._override(coordinator, "reset", partial(self._reset_coordinator, coordinator))
        # Without a counter of its own, its loop may wait for something that take_turn does.
        if callable(getattr(type(coordinator), "take_turn", None)) and hasattr(coordinator, "turn"):
            self._override(coordinator, "take_turn", partial(self._take_turn, coordinator))

    def _skip_agents(self) -> None:
        """Override the agents and models that are not overridden yet, such as inserted ones."""
        population = self._experiment.population
        for env in population.environments:
            for agent in getattr(env, "agents", []):
                self._skip(agent.model, _MODEL_HOOKS)
                if self._experiment.is_coordinated:  # it may call them without take_turn
                    hooks = {name: partial(self._act, r) for name, r in _AGENT_RESULTS.items()}
                    self._skip(agent, hooks)

    def _skip(self, owner: object, hooks: dict[str, Callable[..., Any]]) -> None:
        if id(owner) not in self._skipped:
            self._skipped[id(owner)] = owner  # kept alive: ids stay unique
            for name, hook in hooks.items():
                if hasattr(owner, name):
                    self._override(owner, name, hook)

    def _reset_or_start(self, env: Environment, *args: Any, **kwargs: Any) -> Any:
        if self._starts_running(env):
            return env.reset(*args, **kwargs)
        for other in self._experiment.population.environments:
            self._end_turns(other)
        return None

    def _reset_coordinator(self, coordinator: Any, *args: Any, **kwargs: Any) -> Any:
        if self._starts_running(coordinator):
            return coordinator.reset(*args, **kwargs)
        return type(coordinator).reset(coordinator, *args, **kwargs)

    def _starts_running(self, owner: Any) -> bool:
        """Note a reset; return whether it begins the first epoch to run, which is now prepared."""
        if self._begins_epoch(owner) and self._count_epoch():
            return True
        self._reset.add(id(owner))
        self._skip_agents()
        return False

    def _count_epoch(self, *, without_reset: bool = False) -> bool:
        """Begin an epoch; return whether it is the first one to run, which is now prepared."""
        population = self._experiment.population
        if self._n_begun == 0:
            self._change_config()
        if self._n_begun == self._n_epochs:
            self._undo.close()
            self._restore(without_reset)
            return True
        population.is_recorded = False
        self._n_begun += 1
        self._reset.clear()
        self._has_acted = False
        return False

    def _begins_epoch(self, owner: Any) -> bool:
        """Return whether a reset begins an epoch, as `Population.begins_epoch` does."""
        if not self._experiment.population.is_lockstep or not self._reset:
            return True
        was_reset = id(owner) in self._reset or owner is self._experiment.runner
        return self._has_acted and was_reset

    def _take_turn(self, runner: Any, *args: Any, **kwargs: Any) -> Any:
        population = self._experiment.population
        if population.is_recorded and self._count_epoch(without_reset=True):
            population.is_recorded = True  # so that this turn begins the epoch
            return runner.take_turn(*args, **kwargs)
        self._has_acted = True
        self._end_turns(runner)
        return None

    def _act(self, result: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._has_acted = True
        return result

    def _end_turns(self, runner: Any) -> None:
        runner.turn = self._max_turns

    def _change_config(self) -> None:
        """Disable drawing and saving in skipped epochs, and shorten those of a coordinator."""
        for section in self._experiment_sections():
            if "record_period" in section:
                # A remainder by nan never equals 0.
                self._set_for_skipped(section, "record_period", math.nan)
            if self._experiment.is_coordinated and "max_turns" in section:
                self._set_for_skipped(section, "max_turns", 1)

    def _experiment_sections(self) -> list[DictConfig]:
        """Return the sections ``experiment`` of the config and of the copies that a study makes."""
        owners = [self._experiment, self._experiment.runner]
        owners += self._experiment.population.environments
        configs = [getattr(owner, "config", None) for owner in owners]
        sections = [c.get("experiment") for c in configs if isinstance(c, DictConfig)]
        found = {id(s): s for s in sections if isinstance(s, DictConfig)}
        return list(found.values())

    def _set_for_skipped(self, section: DictConfig, key: str, value: float) -> None:
        self._undo.callback(section.__setattr__, key, section[key])
        section[key] = value
