"""Recording of the agents' observations, actions and recurrent states at the record period."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from sorrel.agents import Agent
from sorrel.environment import Environment

from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord
from sorrel_recurrent_ppo.learning.rollout import PendingStep, Rollout
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.policy.observations import picture_shape
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.recording.recorded_states import (
    CELL_STATES,
    PER_STEP,
    RecordedStates,
    Subject,
    load_states,
    save_states,
)
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.instance_overrides import override, remove_override

__all__ = ["StateSink", "subject_of"]

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000


class _CompletedStep(NamedTuple):
    """A completed step.

    Attributes:
        turn: The turn of the epoch in which it was taken.
        pending: The rollout's pending step, with observation, action and recurrent state.
        reward: Its reward.
        done: Whether it ended the episode.
    """

    turn: int
    pending: PendingStep
    reward: float
    done: bool


class _Recording:
    """The recording of one agent's current epoch.

    It overrides the rollout's ``add`` until it is stopped, and forwards each call.
    """

    def __init__(self, env: Environment | None, member: Member, model: RecurrentPPO) -> None:
        self.member, self.model = member, model
        self._rollout = model.memory
        self._steps: list[_CompletedStep] = []
        override(self._rollout, "add", _add_and_record, env, member, self._steps)

    def stop(self) -> None:
        """Remove the override of the rollout's ``add``."""
        remove_override(self._rollout, "add")

    def arrays(self, epoch: int) -> dict[str, np.ndarray]:
        """Return the steps so far as the arrays of `PER_STEP`."""
        pending = [step.pending for step in self._steps]
        n, core = len(pending), self.model.policy.core
        flat_states = np.array([_flat_state_after(step) for step in pending], np.float32)
        state = core.state_from_flat(torch.from_numpy(flat_states.reshape(n, core.state_size)))
        hidden, *cell = (part[0].numpy() for part in _parts(state))
        columns = (
            np.full(n, epoch, np.int64),
            np.array([step.turn for step in self._steps], np.int64),
            np.array([step.obs for step in pending], np.float32),
            np.array([step.action for step in pending], np.int64),
            np.array([step.reward for step in self._steps], np.float32),
            np.array([step.done for step in self._steps], bool),
            np.array([step.episode_start for step in pending], bool),
            np.array([step.value for step in pending], np.float32),
            np.array([np.sum(step.log_probs) for step in pending], np.float32),
            hidden,
        )
        arrays: dict[str, np.ndarray] = dict(zip(PER_STEP, columns, strict=True))
        if cell:
            arrays[CELL_STATES] = cell[0]
        return arrays

    def __len__(self) -> int:
        return len(self._steps)


def _parts(state: Any) -> tuple[torch.Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _flat_state_after(step: PendingStep) -> np.ndarray:
    """Return the flat state after a step: zeros if it was reset before the reward."""
    after = step.next_recurrent_state
    return np.zeros_like(step.recurrent_state) if after is None else after


def _add_and_record(
    rollout: Rollout,
    env: Environment | None,
    member: Member,
    steps: list[_CompletedStep],
    *args: Any,
    **kwargs: Any,
) -> None:
    """Override ``Rollout.add(obs, action, reward, done, ...)`` and record the completed step."""
    step = rollout.pending
    type(rollout).add(rollout, *args, **kwargs)
    given = dict(zip(("obs", "action", "reward", "done"), args, strict=False)) | kwargs
    assert step is not None  # otherwise add raises
    turn = env.turn if env is not None and env.turn else member.n_steps + 1
    steps.append(_CompletedStep(turn, step, float(given["reward"]), bool(given["done"])))


class StateSink:
    """Writes ``agents/<name>.npz``: the steps of every epoch at the record period.

    It observes the calls to the models' rollouts and does not affect the run: it draws no random
    numbers and calls no model. Only recurrent models have states to record.

    Args:
        population: The run's population.
        files: The run's files.
        period: Epochs between two recorded ones.
        limit: Megabytes (10^6 bytes) per agent, in memory and on disk. Beyond it the oldest epochs
            are discarded; the latest is always kept.
        on_recorded: Called with each agent's epoch after it has been written.
    """

    def __init__(
        self,
        population: Population,
        files: RunFiles,
        *,
        period: int,
        limit: int,
        on_recorded: Callable[[RecordedStates], None] | None = None,
    ) -> None:
        self._population, self._files = population, files
        self._period = period
        self._limit = limit * MEGABYTE
        self._on_recorded = on_recorded
        self._running: list[_Recording] = []
        self._stored: dict[str, RecordedStates] = {}
        self._warned = False
        self._warn_of_models_without_states()
        population.epoch_start_callbacks.append(self._start_epoch)

    def write(self, record: EpochRecord) -> None:
        """Write the epoch, if it was recorded."""
        for recording in self._running:
            if len(recording):
                self._store(recording, record.epoch)
        self._stop()

    def close(self) -> None:
        """Stop recording and discard an unfinished epoch."""
        self._stop()
        if self._start_epoch in self._population.epoch_start_callbacks:
            self._population.epoch_start_callbacks.remove(self._start_epoch)

    def _start_epoch(self, runner: Any, epoch: int) -> None:
        self._stop()
        if epoch % self._period:
            return
        for member in self._population.members:
            model = member.agent.model
            if isinstance(model, RecurrentPPO):
                env = self._population.environment_of(member)
                self._running.append(_Recording(env, member, model))

    def _stop(self) -> None:
        for recording in self._running:
            recording.stop()
        self._running = []

    def _store(self, recording: _Recording, epoch: int) -> None:
        name = recording.member.name
        subject = subject_of(recording.member, recording.member.agent, recording.model)
        latest = RecordedStates(subject, recording.arrays(epoch))
        earlier = self._stored[name] if name in self._stored else self._on_disk(name, epoch)
        states = self._bounded(earlier.concatenate(latest) if earlier else latest)
        self._stored[name] = states
        save_states(states, self._files.recorded_states(name))
        if self._on_recorded is not None:
            self._on_recorded(latest)

    def _on_disk(self, name: str, epoch: int) -> RecordedStates | None:
        """Return the states that a resumed run recorded before this epoch."""
        path = self._files.recorded_states(name)
        if not path.exists():
            return None
        states = load_states(path)
        return states.select(states.steps["epochs"] < epoch)

    def _bounded(self, states: RecordedStates) -> RecordedStates:
        while states.n_bytes > self._limit and len(states.epochs) > 1:
            if not self._warned:
                log.warning(
                    "Agent %s's recorded states take more than %d MB: the oldest epochs are "
                    "dropped from here on. record_states_limit=... allows more, "
                    "experiment.record_period=... records fewer.",
                    states.subject.agent,
                    self._limit // MEGABYTE,
                )
                self._warned = True
            states = states.select(states.steps["epochs"] > states.epochs[0])
        return states

    def _warn_of_models_without_states(self) -> None:
        for member in self._population.members:
            if not isinstance(member.agent.model, RecurrentPPO):
                log.warning(
                    "record_states=true records nothing of agent %s: its model, %s, has no "
                    "hidden state.",
                    member.name,
                    member.model_name,
                )


def subject_of(member: Member, agent: Agent, model: RecurrentPPO) -> Subject:
    """Return an agent's identity and the layout of its observations and actions."""
    spec = agent.observation_spec
    actions = getattr(agent.action_spec, "actions", {})
    return Subject(
        agent=member.name,
        model=member.model_name,
        picture=picture_shape(spec) or (),
        channels=_channels(getattr(spec, "entity_map", {})),
        action_names=tuple(str(actions[i]) for i in sorted(actions)),
        action_dims=tuple(model.action_dims),
        background=_background(getattr(spec, "entity_map", {})),
        is_centred=not getattr(spec, "full_view", True),
        reward_scaling=model.settings.reward_scaling,
    )


def _background(entity_map: dict[str, Any]) -> str:
    """Return the kinds whose appearance is zero in every channel."""
    kinds = [
        kind
        for kind, appearance in entity_map.items()
        if np.ndim(appearance) == 1 and not np.any(appearance)
    ]
    return "/".join(kinds)


def _channels(entity_map: dict[str, Any]) -> tuple[str, ...]:
    """Return the kinds shown by each channel, if the appearances are one-hot."""
    names: dict[int, list[str]] = {}
    n_channels = 0
    for kind, appearance in entity_map.items():
        values = np.asarray(appearance)
        if values.dtype.kind not in "buif" or values.ndim != 1:
            return ()
        ones = np.flatnonzero(values)
        if len(ones) > 1 or (values[ones] != 1).any():
            return ()
        n_channels = len(values)
        for channel in ones.tolist():
            names.setdefault(channel, []).append(kind)
    return tuple("/".join(names.get(channel, [])) for channel in range(n_channels))
