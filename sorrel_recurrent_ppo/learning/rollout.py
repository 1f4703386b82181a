"""The rollout: an agent's steps, in the Sorrel buffer ``model.memory``.

``model.take_action`` begins a step and ``add`` completes it, so that any Sorrel agent fills the
rollout. It also holds the position in the episode: the recurrent state before the next step, and
whether that step starts an episode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from sorrel.buffers import Buffer

from sorrel_recurrent_ppo.errors import unknown_name

__all__ = ["PendingStep", "Position", "Rollout", "RolloutArrays", "copy_extra_keys"]

_INITIAL_CAPACITY = 64
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class PendingStep(NamedTuple):
    """A step with an action whose reward has not arrived yet.

    Attributes:
        obs: Observation, ``(obs_size,)``.
        context: Inputs of the network after the observation, ``(context_size,)``.
        action: Flat index of the joint action.
        log_probs: Log-probability of each branch's choice.
        value: Value of the state.
        recurrent_state: Flat recurrent state before the step, ``(state_size,)``.
        next_recurrent_state: Flat recurrent state after the step; ``None`` if reset since.
        episode_start: Whether the state was reset or replaced before the step.
    """

    obs: np.ndarray
    context: np.ndarray
    action: int
    log_probs: Sequence[float]
    value: float
    recurrent_state: np.ndarray
    next_recurrent_state: np.ndarray | None
    episode_start: bool


class Position(NamedTuple):
    """What the network remembers before a step.

    Attributes:
        recurrent_state: Flat recurrent state, ``(state_size,)``.
        last_action: Flat index of the episode's previous action; ``None`` at its start.
        last_reward: The episode's previous reward.
    """

    recurrent_state: np.ndarray
    last_action: int | None
    last_reward: float


@dataclass(frozen=True)
class RolloutArrays:
    """The arrays of a rollout that an update needs, in time order.

    Attributes:
        inputs: Inputs of the network, ``(N, D)``.
        recurrent_states: Flat states before each step, ``(N, S)``.
        actions: Flat joint actions, ``(N,)``.
        log_probs: Joint log-probabilities of the actions when chosen, ``(N,)``.
        values: Values when acting, ``(N,)``.
        rewards: Rewards, ``(N,)``.
        dones: Whether the step ended the episode by ``done``, ``(N,)``.
        episode_starts: Whether the state was reset before the step, ``(N,)``.
        episode_ends: Whether the step is the last known one of its episode, ``(N,)``.
    """

    inputs: np.ndarray
    recurrent_states: np.ndarray
    actions: np.ndarray
    log_probs: np.ndarray
    values: np.ndarray
    rewards: np.ndarray
    dones: np.ndarray
    episode_starts: np.ndarray
    episode_ends: np.ndarray

    def with_rewards_divided_by(self, scale: float) -> RolloutArrays:
        """Return a copy with scaled rewards."""
        return replace(self, rewards=(self.rewards / scale).astype(np.float32))


class Rollout(Buffer):
    """Transitions in time order, with the recurrent state before each.

    Unlike Sorrel's replay buffer it never overwrites steps: ``capacity`` doubles instead.

    Attributes:
        display_name: The agent's name in error messages.
        state_size: Size of a flat recurrent state.
        pending: The step begun but not completed, if any.
        recurrent_state: Flat recurrent state before the next step.
        at_episode_start: Whether the next step starts an episode or follows a replaced state.
        last_action: Flat index of the episode's previous action; ``None`` at its start.
        last_reward: The episode's previous reward.
    """

    capacity: int
    extra_data: dict[str, np.ndarray]

    def __init__(
        self,
        obs_shape: Sequence[int],
        *,
        state_size: int,
        n_branches: int,
        context_size: int,
        display_name: str = "the agent",
    ):
        super().__init__(capacity=_INITIAL_CAPACITY, obs_shape=obs_shape, n_frames=1)
        self.display_name = display_name
        self.state_size = state_size
        self.context = np.zeros((self.capacity, context_size), np.float32)
        self.log_probs = np.zeros((self.capacity, n_branches), np.float32)
        self.values = np.zeros(self.capacity, np.float32)
        self.recurrent_states = np.zeros((self.capacity, state_size), np.float32)
        self.episode_starts = np.zeros(self.capacity, bool)
        self.episode_ends = np.zeros(self.capacity, bool)
        self.pending: PendingStep | None = None
        self._next_state_replaced = False  # the pending step's next state, by replace_state
        self.start_episode()

    @property
    def _flat_obs(self) -> np.ndarray:
        """A view of the observations, one per row; not stored, so that copies are independent."""
        return self.states.reshape(self.capacity, -1)

    # --- the position in the episode ---

    @property
    def next_position(self) -> Position:
        """The position before the next step; a pending step counts with a reward of 0."""
        step = self.pending
        if step is None:
            return Position(self.recurrent_state, self.last_action, self.last_reward)
        if step.next_recurrent_state is None:
            return Position(np.zeros(self.state_size, np.float32), None, 0.0)
        return Position(step.next_recurrent_state, step.action, 0.0)

    def start_episode(self) -> None:
        """Close the running episode, if any; the next step starts one from a zero state.

        A pending step is discarded: its epoch was aborted.
        """
        if self.size:
            self.episode_ends[self.size - 1] = True
        self.pending = None
        self._next_state_replaced = False
        self.at_episode_start = True
        self.recurrent_state = np.zeros(self.state_size, np.float32)
        self.last_action: int | None = None
        self.last_reward = 0.0

    def replace_state(self, flat_state: np.ndarray) -> None:
        """Replace the recurrent state before the next step.

        As after a reset, no training sequence crosses this point: its later steps would be
        evaluated with another state than the one they were taken with.
        """
        if self.pending is None:
            if not np.array_equal(flat_state, self.recurrent_state):
                self.recurrent_state, self.at_episode_start = flat_state, True
            return
        following = self.pending.next_recurrent_state
        if following is None or not np.array_equal(flat_state, following):
            self.pending = self.pending._replace(next_recurrent_state=flat_state)
            self._next_state_replaced = True

    def reset_state(self) -> None:
        """Zero the recurrent state without closing the episode for the returns."""
        if self.pending is not None:
            self.pending = self.pending._replace(next_recurrent_state=None)
            self._next_state_replaced = False
            return
        self.at_episode_start = True
        self.recurrent_state = np.zeros(self.state_size, np.float32)
        self.last_action, self.last_reward = None, 0.0

    def discard_pending(self) -> None:
        """Continue after the pending step, if any, without storing it."""
        if self.pending is not None:
            self._advance(self.pending, 0.0)

    def begin(self, step: PendingStep) -> None:
        """Begin a step; :meth:`add` completes it with its reward."""
        self.pending = step

    def add(
        self,
        obs: Any,
        action: int | tuple[int, float],
        reward: float,
        done: bool,
        **kwargs: Any,
    ) -> None:
        """Complete the pending step; Sorrel's agents call this after each action.

        Args:
            obs: The agent's observation. Only its size is checked: the stored observation is the
                one given to ``take_action``.
            action: The flat action that the model chose.
            reward: A finite number.
            done: Whether the step ended the episode.
            **kwargs: Extra values, each under a key of ``extra_data``.

        Raises:
            RuntimeError: No step is pending.
            ValueError: The action is not the model's, the reward is not finite in single
                precision, the observation has another size, or an extra value has an unknown key
                or does not fit its array.
            TypeError: The reward is not a number, or ``done`` is not a truth value.
        """
        step = self.pending
        if step is None:
            raise RuntimeError(
                f"{self.display_name}: memory.add was called without a pending action. Call "
                "model.take_action(state) before each memory.add(state, action, reward, done)"
            )
        size = obs.size if isinstance(obs, np.ndarray) else _size_of(obs)
        if size != step.obs.size:
            raise ValueError(
                f"{self.display_name}: memory.add got an observation of {size} values, expected "
                f"{step.obs.size} as in take_action"
            )
        if not _is_same_action(action, step.action):
            raise ValueError(
                f"{self.display_name}: memory.add got action {action!r}, but the model chose "
                f"{step.action}; PPO learns only from its own actions"
            )
        self._store(step, *_validated(reward, done, self.display_name), kwargs)

    def complete(self, reward: float, done: bool) -> None:
        """Complete the pending step: :meth:`add` with its observation and action."""
        if self.pending is None:
            self.add(np.empty(0), 0, reward, done)
        else:
            self.add(self.pending.obs, self.pending.action, reward, done)

    def _store(self, step: PendingStep, reward: float, done: bool, extra: dict[str, Any]) -> None:
        for key in extra:
            if key not in self.extra_data:
                what = f"{self.display_name}: memory.extra_data has no key"
                raise ValueError(unknown_name(what, key, self.extra_data))
        if self.size == self.capacity:
            self._grow()
        t = self.size
        for key, value in extra.items():
            try:
                self.extra_data[key][t] = value
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{self.display_name}: memory.add got {key}={value!r}, expected "
                    f"{self.extra_data[key].dtype}{list(self.extra_data[key].shape[1:])}"
                ) from error
        self._flat_obs[t] = step.obs
        if step.context.size:
            self.context[t] = step.context
        self.actions[t] = step.action
        self.log_probs[t] = step.log_probs
        self.values[t] = step.value
        self.recurrent_states[t] = step.recurrent_state
        self.rewards[t] = reward
        self.dones[t] = done
        self.episode_starts[t] = step.episode_start
        self.episode_ends[t] = False  # until the episode is closed
        self.size = self.idx = t + 1
        if done:
            self.start_episode()
        else:
            self._advance(step, reward)

    def _advance(self, step: PendingStep, reward: float) -> None:
        self.pending = None
        if step.next_recurrent_state is None:
            self.reset_state()
        else:
            self.at_episode_start = self._next_state_replaced
            self._next_state_replaced = False
            self.recurrent_state = step.next_recurrent_state
            self.last_action, self.last_reward = step.action, reward

    def _grow(self) -> None:
        for name in _PER_STEP:
            setattr(self, name, _doubled(getattr(self, name)))
        for key, array in self.extra_data.items():
            self.extra_data[key] = _doubled(array)
        self.capacity *= 2

    # --- Sorrel's buffer interface ---

    def current_state(self) -> np.ndarray:
        """Return the earlier frames to stack before an observation: none, ``(0, obs_size)``."""
        return self._flat_obs[:0]

    def add_empty(self) -> None:
        """Do nothing: Sorrel's gap between games matters for stacked frames only."""

    def clear(self) -> None:
        """Remove all steps; the position in the episode and the allocated arrays are kept."""
        self.idx = self.size = 0

    # --- for the update ---

    @property
    def has_episode_end(self) -> bool:
        """Whether one of the steps is the last one of its episode: by ``done``, or closed."""
        return bool(self.episode_ends[: self.size].any())

    def arrays(self) -> RolloutArrays:
        """Return the steps, as views where possible, with the last one marked as an episode end."""
        n = self.size
        ends = self.episode_ends[:n].copy()
        ends[-1:] = True
        return RolloutArrays(
            inputs=np.concatenate((self._flat_obs[:n], self.context[:n]), axis=1),
            recurrent_states=self.recurrent_states[:n],
            actions=self.actions[:n],
            log_probs=self.log_probs[:n].sum(axis=1),
            values=self.values[:n],
            rewards=self.rewards[:n],
            dones=self.dones[:n].astype(bool),
            episode_starts=self.episode_starts[:n],
            episode_ends=ends,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the stored steps and of the position in the episode.

        ``extra_data`` and the pending step are not included.
        """
        arrays = {name: getattr(self, name)[: self.size].copy() for name in _PER_STEP}
        return {
            "steps": arrays,
            "at_episode_start": self.at_episode_start,
            "recurrent_state": self.recurrent_state.copy(),
            "last_action": self.last_action,
            "last_reward": self.last_reward,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the result of :meth:`state_dict`.

        Raises:
            ValueError: An array has another shape or type than this rollout's, or a number is not
                finite.
        """
        steps = saved["steps"]
        size = len(steps["actions"])
        for name in _PER_STEP:
            self._check_saved(name, steps[name], (size, *getattr(self, name).shape[1:]))
        self._check_saved("recurrent_state", saved["recurrent_state"], (self.state_size,))
        if not math.isfinite(saved["last_reward"]):
            raise ValueError(f"last_reward must be finite, not {saved['last_reward']}")
        while self.capacity < size:
            self._grow()
        for name in _PER_STEP:
            getattr(self, name)[:size] = steps[name]
        self.idx = self.size = size
        self.pending = None
        self.at_episode_start = bool(saved["at_episode_start"])
        self.recurrent_state = np.array(saved["recurrent_state"], np.float32)
        self.last_action = saved["last_action"]
        self.last_reward = float(saved["last_reward"])

    def _check_saved(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        dtype = getattr(self, name).dtype
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"rollout array '{name}': expected {dtype}{list(shape)}, found "
                f"{array.dtype}{list(array.shape)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"rollout array '{name}' contains values that are not finite")


def copy_extra_keys(source: Buffer, target: Buffer) -> None:
    """Add the keys of a buffer's ``extra_data`` to another buffer's, without their contents."""
    arrays = cast("dict[str, np.ndarray]", source.extra_data)
    for key, array in arrays.items():
        if key not in target.extra_data:
            shape = (target.capacity, *array.shape[1:])
            target.extra_data[key] = np.zeros(shape, array.dtype)


_PER_STEP = (
    "states",
    "context",
    "actions",
    "log_probs",
    "values",
    "recurrent_states",
    "rewards",
    "dones",
    "episode_starts",
    "episode_ends",
)


def _doubled(array: np.ndarray) -> np.ndarray:
    return np.concatenate((array, np.zeros_like(array)))


def _validated(reward: Any, done: Any, display_name: str) -> tuple[float, bool]:
    """Return reward and done as plain values; raise TypeError or ValueError if invalid."""
    if not isinstance(reward, float):
        if hasattr(reward, "detach"):  # a tensor, maybe with gradient, on any device
            reward = reward.detach().cpu().double().numpy()
        if np.ndim(reward) or not _is_numeric(reward):
            raise TypeError(f"{display_name}: the reward must be a number, not {reward!r}")
        reward = float(reward)
    if not -_FLOAT32_MAX <= reward <= _FLOAT32_MAX:
        raise ValueError(
            f"{display_name}: the reward must be finite in single precision, not {reward}"
        )
    if not isinstance(done, bool):
        if np.ndim(done) or not _is_numeric(done) or done not in (0, 1):
            raise TypeError(f"{display_name}: done must be true or false, not {done!r}")
        done = bool(done)
    return reward, done


def _size_of(obs: Any) -> int:
    if hasattr(obs, "numel"):
        return int(obs.numel())
    try:
        return np.size(obs)
    except ValueError:  # lists of different lengths
        return 0


def _is_same_action(given: Any, chosen: int) -> bool:
    if type(given) is int:
        return given == chosen
    return not np.ndim(given) and _is_numeric(given) and given == chosen


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "buif"
