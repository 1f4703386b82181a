"""The reference API of the models: attributes and methods by the names of their specification.

They are views of the policy and the rollout: tensors are created on access, nothing is stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sorrel_recurrent_ppo.learning.rollout import PendingStep
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.policy.acting import sample_branches
from sorrel_recurrent_ppo.policy.actions import flatten_action, split_actions
from sorrel_recurrent_ppo.policy.observations import read_observation
from sorrel_recurrent_ppo.policy.recurrent import State

__all__ = ["DualHeadApi", "SingleHeadApi"]


class _ReferenceApi(RecurrentPPO):
    """The part of the reference API that both models share."""

    # --- the recurrent state ---

    def _state_from_flat(self, flat_state: np.ndarray) -> State:
        flat_states = torch.from_numpy(flat_state.copy()).unsqueeze(0).to(self.device)
        return self.policy.core.state_from_flat(flat_states)

    def _flat_from_state(self, state: State) -> np.ndarray:
        """Flatten a state of shape ``(1, 1, H)``, for the LSTM a pair of that shape.

        Raises:
            TypeError: ``state`` is not a tensor, or for the LSTM not a pair of tensors.
            ValueError: ``state`` has another shape or is not finite.
        """
        lstm = self.policy.core.cell == "lstm"
        parts: tuple[Any, ...] = state if isinstance(state, tuple) and lstm else (state,)
        if not all(isinstance(part, Tensor) for part in parts):
            expected_type = "a pair of tensors" if lstm else "a tensor"
            raise TypeError(
                f"{self.display_name}: the recurrent state must be {expected_type}, not "
                f"{type(state).__name__}"
            )
        shapes, expected = [list(part.shape) for part in parts], [1, 1, self.hidden_size]
        if shapes != [expected] * (2 if lstm else 1):
            raise ValueError(
                f"{self.display_name}: the recurrent state has shape {shapes}, "
                f"expected {expected} each"
            )
        flat_state = self.policy.core.flatten_state(state).detach().cpu().numpy()
        if not np.isfinite(flat_state).all():
            raise ValueError(f"{self.display_name}: the recurrent state is not finite")
        return np.array(flat_state, np.float32).reshape(-1)

    @property
    def _current_hidden(self) -> State | None:
        """The state before the next action, ``(1, 1, H)`` each; ``None`` if it is zero."""
        memory = self.memory
        if memory.pending is not None:
            flat_state = memory.pending.next_recurrent_state
        else:
            flat_state = memory.recurrent_state
            if memory.at_episode_start and not flat_state.any():
                return None
        return None if flat_state is None else self._state_from_flat(flat_state)

    @_current_hidden.setter
    def _current_hidden(self, state: State | None) -> None:
        memory = self.memory
        if state is None:
            memory.reset_state()
            return
        memory.replace_state(self._flat_from_state(state))

    @property
    def _pending_hidden(self) -> State | None:
        """The state before the pending action; ``None`` without one."""
        pending = self.memory.pending
        return None if pending is None else self._state_from_flat(pending.recurrent_state)

    def _get_hidden_state(self) -> State:
        """Return the current state, ``(1, 1, H)`` each; zeros at the start of an episode."""
        current = self._current_hidden
        return self.policy.core.zero_state(1, self.device) if current is None else current

    def _update_hidden_state(self, new_hidden: State) -> None:
        """Replace the current state."""
        self._current_hidden = new_hidden

    # --- the network ---

    def _forward_base(self, state: Tensor, hidden: State) -> tuple[Tensor, State]:
        """Run encoder and core for one step of ``B`` sequences.

        Args:
            state: Observations, ``(B, C, H, W)`` or ``(B, features)``.
            hidden: The recurrent state, ``(1, B, H)``, for the LSTM a pair of that shape.

        Returns:
            Features ``(B, hidden_size)`` for the heads, and the new recurrent state.
        """
        obs = state.to(self.device, torch.float32).flatten(1)
        missing = self.layout.size + self._context_size - obs.shape[1]
        if missing not in (0, self._context_size):
            raise ValueError(
                f"{self.display_name}: the state has {obs.shape[1]} values, "
                f"expected {self.layout.size}"
            )
        # Without the previous action and reward, the step is treated as the first of an episode.
        obs = torch.nn.functional.pad(obs, (0, missing))
        return self.policy.core.step(self.policy.features(obs), hidden)

    def _sample(
        self, observation: Any, hidden_state: State | None
    ) -> tuple[tuple[int, ...], list[float], float, State]:
        """Sample from the policy without changing the rollout or the current state."""
        obs = read_observation(observation, self.layout.size, self.display_name)
        if hidden_state is None:
            hidden_state = self.policy.core.zero_state(1, self.device)
        inputs = np.concatenate((obs, np.zeros(self._context_size, np.float32)))
        flat_state = self._flat_from_state(hidden_state)
        logits, value, next_flat_state = self._step(inputs, flat_state)
        rng = self._sampling_rng if self.training else self._evaluation_rng
        branches, log_probs = sample_branches(
            logits, self.action_dims, rng, deterministic=self.deterministic
        )
        return tuple(branches), log_probs, value, self._state_from_flat(next_flat_state)

    # --- the rollout ---

    def _store(
        self,
        state: Any,
        hidden: State,
        branches: tuple[int, ...],
        log_probs: Sequence[float],
        val: float,
        outcome: tuple[float, bool],
    ) -> None:
        """Store a complete transition; a zero state marks the start of an episode."""
        self._check_branches(branches, log_probs, val)
        flat_state = self._flat_from_state(hidden)
        starts = self.memory.at_episode_start or not flat_state.any()
        step = PendingStep(
            obs=read_observation(state, self.layout.size, self.display_name),
            context=np.zeros(self._context_size, np.float32),
            action=flatten_action(branches, self.action_dims),
            log_probs=log_probs,
            value=float(val),
            recurrent_state=flat_state,
            next_recurrent_state=self.memory.recurrent_state,
            episode_start=starts,
        )
        if self.memory.pending is not None:
            raise RuntimeError(
                f"{self.display_name}: store_memory was called between an action and its reward"
            )
        self.memory.begin(step)
        try:
            self.memory.complete(*outcome)
        except (TypeError, ValueError):
            self.memory.pending = None
            raise

    def _check_branches(
        self, branches: tuple[int, ...], log_probs: Sequence[float], val: float
    ) -> None:
        """Raise ValueError unless a transition's action is valid and its numbers are finite."""
        dims = self.action_dims
        fit = len(branches) == len(log_probs) == len(dims) and all(
            0 <= choice < size for choice, size in zip(branches, dims, strict=True)
        )
        if not fit:
            raise ValueError(
                f"{self.display_name}: the action {list(branches)} with {len(log_probs)} "
                f"log-probabilities does not fit branches of {list(dims)} choices"
            )
        if not (math.isfinite(val) and all(map(math.isfinite, log_probs))):
            raise ValueError(
                f"{self.display_name}: the value {val} and the log-probabilities "
                f"{list(log_probs)} must be finite"
            )

    def _state_list(self) -> list[State]:
        flat_states = self.memory.recurrent_states[: len(self.memory)]
        return [self._state_from_flat(flat_state) for flat_state in flat_states]

    def _stored_states(self) -> Tensor:
        """Return the observations, ``(N, C, H, W)`` for pure pictures, else ``(N, features)``."""
        n, layout = len(self.memory), self.layout
        flat = torch.from_numpy(self.memory.states[:n].reshape(n, layout.size)).to(self.device)
        if layout.picture and not layout.n_scalars:
            return cast(Tensor, flat.unflatten(1, layout.picture))
        return flat

    def _stored_branches(self) -> Tensor:
        actions = self.memory.actions[: len(self.memory)]
        return torch.from_numpy(split_actions(actions, self.action_dims)).to(self.device)

    def _stored(self, name: str) -> Tensor:
        array = getattr(self.memory, name)[: len(self.memory)]
        return torch.from_numpy(array).to(self.device, torch.float32)

    def _stored_state_tensors(self) -> tuple[Tensor, ...]:
        """Return the states before each step, ``(1, N, H)``: ``h``, for the LSTM also ``c``."""
        states = self.policy.core.state_from_flat(self._stored("recurrent_states"))
        return states if isinstance(states, tuple) else (states,)

    def _common_memory(self) -> dict[str, list[Any]]:
        n = len(self.memory)
        return {
            "states": list(self._stored_states()),
            "h_states": self._state_list(),
            "vals": self.memory.values[:n].tolist(),
            "rewards": self.memory.rewards[:n].tolist(),
            "dones": self.memory.dones[:n].tolist(),
        }


class SingleHeadApi(_ReferenceApi):
    """The reference API of the LSTM model: one action index, one log-probability."""

    @property
    def rollout_memory(self) -> dict[str, list[Any]]:
        """The rollout as lists over its steps; ``h_states`` contains ``(h, c)`` pairs."""
        n = len(self.memory)
        return {
            **self._common_memory(),
            "actions": self.memory.actions[:n].tolist(),
            "log_probs": self.memory.log_probs[:n].sum(axis=1).tolist(),
        }

    def get_action(
        self, observation: Any, hidden_state: State | None = None
    ) -> tuple[int, float, float, State]:
        """Sample from the policy without storing a step.

        Args:
            observation: Array or tensor of the observation's size.
            hidden_state: ``(h, c)``, each ``(1, 1, H)``; ``None`` for zeros.

        Returns:
            Flat action, log-probability, value, and the state after the step.
        """
        branches, log_probs, value, new_hidden = self._sample(observation, hidden_state)
        return (
            flatten_action(branches, self.action_dims),
            sum(log_probs),
            value,
            new_hidden,
        )

    def store_memory(
        self,
        state: Any,
        hidden: State,
        action: int,
        log_prob: float,
        val: float,
        reward: float,
        done: bool,
    ) -> None:
        """Store a transition.

        Args:
            state: Observation before the action.
            hidden: Recurrent state before the action.
            action: Flat index of the joint action.
            log_prob: Log-probability of the joint action.
            val: Value of the state.
            reward: Reward of the action.
            done: Whether the step ended the episode.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, of another size, or not finite.
            RuntimeError: A step is pending.
        """
        branches = split_actions(np.array([action]), self.action_dims)[0]
        # Stored as the first branch's: only the sum over the branches is used.
        log_probs = [float(log_prob), *[0.0] * (len(self.action_dims) - 1)]
        choices = tuple(int(choice) for choice in branches)
        self._store(state, hidden, choices, log_probs, val, (reward, done))

    def _prepare_batch(self) -> tuple[Tensor, ...]:
        """Return ``states, h_states, c_states, actions, old_log_probs, vals, rewards, dones``."""
        n = len(self.memory)
        return (
            self._stored_states(),
            *self._stored_state_tensors(),
            torch.from_numpy(self.memory.actions[:n]).to(self.device),
            self._stored("log_probs").sum(dim=1),
            self._stored("values"),
            self._stored("rewards"),
            self._stored("dones"),
        )

    @property
    def _pending_action(self) -> int | None:
        """The flat index of the pending action."""
        return None if self.memory.pending is None else self.memory.pending.action


class DualHeadApi(_ReferenceApi):
    """The reference API of the GRU model: a move and a vote, each with its log-probability.

    Further branches follow the vote.
    """

    @property
    def rollout_memory(self) -> dict[str, list[Any]]:
        """The rollout as lists over its steps; ``h_states`` contains ``(1, 1, H)`` tensors."""
        names = self._branch_names()
        n = len(self.memory)
        branches = cast("list[list[int]]", self._stored_branches().cpu().T.tolist())
        log_probs = self.memory.log_probs[:n].T.tolist()
        return {
            **self._common_memory(),
            **{f"actions_{name}": branches[k] for k, name in enumerate(names)},
            **{f"probs_{name}": log_probs[k] for k, name in enumerate(names)},
        }

    def _branch_names(self) -> list[str]:
        names = ["move", "vote", *(f"branch{k}" for k in range(2, len(self.action_dims)))]
        return names[: len(self.action_dims)]

    def get_action(
        self, observation: Any, hidden_state: State | None = None
    ) -> tuple[tuple[int, ...], tuple[float, ...], float, State]:
        """Sample from the policy without storing a step.

        Args:
            observation: Array or tensor of the observation's size.
            hidden_state: ``(1, 1, H)``; ``None`` for zeros.

        Returns:
            ``(move, vote)``, their log-probabilities, the value, and the state after the step.
        """
        branches, log_probs, value, new_hidden = self._sample(observation, hidden_state)
        return branches, tuple(log_probs), value, new_hidden

    def get_dual_action(self) -> tuple[int, ...] | None:
        """Return the latest ``(move, vote)``; ``None`` before the first action."""
        return self.last_actions or None

    def store_memory(
        self,
        state: Any,
        hidden: State,
        action: tuple[int, ...],
        probs: tuple[float, ...],
        val: float,
        reward: float,
        done: bool,
    ) -> None:
        """Store a transition.

        Args:
            state: Observation before the action.
            hidden: Recurrent state before the action.
            action: ``(move, vote)``.
            probs: Log-probabilities of the move and the vote.
            val: Value of the state.
            reward: Reward of the action.
            done: Whether the step ended the episode.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, of another size, or not finite.
            RuntimeError: A step is pending.
        """
        log_probs = [float(log_prob) for log_prob in probs]
        self._store(state, hidden, tuple(action), log_probs, val, (reward, done))

    def _prepare_batch(self) -> tuple[Tensor, ...]:
        """Return the rollout as tensors.

        These are ``states, h_states, actions_move, actions_vote, probs_move, probs_vote, vals,
        rewards, dones``; further branches follow the vote.
        """
        return (
            self._stored_states(),
            *self._stored_state_tensors(),
            *self._stored_branches().unbind(dim=1),
            *self._stored("log_probs").unbind(dim=1),
            self._stored("values"),
            self._stored("rewards"),
            self._stored("dones"),
        )

    @property
    def _pending_action(self) -> tuple[int, ...] | None:
        """The pending ``(move, vote)``."""
        pending = self.memory.pending
        if pending is None:
            return None
        branches = split_actions(np.array([pending.action]), self.action_dims)[0]
        return tuple(int(choice) for choice in branches)
