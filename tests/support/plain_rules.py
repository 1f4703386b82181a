"""A simple reference implementation of a model's collection rules, to compare models with.

It shares only the derivation of seeds with the package.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sorrel_recurrent_ppo.support.randomness import derive_seed

TOLERANCE = 1e-4


def plain_step(
    policy: Any, inputs: np.ndarray, flat_state: Tensor
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Run the network for one step of one agent, with PyTorch's layers.

    Returns:
        The logits of each branch, the value, and the flat state after the step.
    """
    features = policy.norm(policy.encoder(torch.from_numpy(inputs)[None]))
    parts = tuple(flat_state.reshape(-1, 1, 1, policy.core.hidden_size))  # h; for the LSTM h and c
    output, after = policy.core.rnn(features[None], parts if len(parts) == 2 else parts[0])
    logits = policy.heads.actor(output[0, 0]).split(policy.heads.dims)
    after = after if isinstance(after, tuple) else (after,)
    return list(logits), policy.heads.critic(output[0, 0])[0], torch.cat(after).flatten()


def plain_branches(action: int, dims: tuple[int, ...]) -> list[int]:
    """Return a joint action's branches; the last one varies fastest."""
    branches = []
    for size in reversed(dims):
        branches.insert(0, action % size)
        action //= size
    return branches


@dataclass
class PlainStep:
    """A step; ``next_flat_state`` is ``None`` if the state has been reset since."""

    inputs: np.ndarray
    action: int
    log_probs: list[float]
    value: float
    flat_state: Tensor
    next_flat_state: Tensor | None
    starts: bool  # the state was reset or replaced before the step
    opens: bool  # the step is the first of its episode, for the returns
    replaced: bool = False
    reward: float = 0.0
    done: bool = False
    ends: bool = False


@dataclass
class PlainRecord:
    """Steps in time order, and the position in the episode."""

    state_size: int
    steps: list[PlainStep] = field(default_factory=list)
    pending: PlainStep | None = None

    def __post_init__(self) -> None:
        self.close_episode()

    def close_episode(self) -> None:
        if self.steps:
            self.steps[-1].ends = True
        self.pending, self.opens = None, True
        self.reset_state()

    def reset_state(self) -> None:
        if self.pending is not None:
            self.pending.next_flat_state, self.pending.replaced = None, False
            return
        self.flat_state, self.starts = torch.zeros(self.state_size), True
        self.previous: tuple[int, float] | None = None

    def replace_state(self, flat_state: Tensor) -> None:
        """Replace the current state by a different one."""
        if self.pending is not None:
            self.pending.next_flat_state, self.pending.replaced = flat_state, True
        else:
            self.flat_state, self.starts = flat_state, True

    def current_flat_state(self) -> Tensor | None:
        """Return the flat state before the next step; ``None`` if a reset made it zero."""
        if self.pending is not None:
            return self.pending.next_flat_state
        return None if self.starts and not self.flat_state.any() else self.flat_state

    def complete(self, reward: float, done: bool) -> None:
        step = self.pending
        assert step is not None
        step.reward, step.done = reward, done
        self.steps.append(step)
        self.advance(reward)
        if done:
            self.close_episode()

    def advance(self, reward: float = 0.0) -> None:
        """Continue after the pending step, whether stored or discarded."""
        step, self.pending, self.opens = self.pending, None, False
        assert step is not None
        if step.next_flat_state is None:
            self.reset_state()
        else:
            self.flat_state, self.starts = step.next_flat_state, step.replaced
            self.previous = (step.action, reward)


class PlainRules:
    """The expected state of a model after the calls so far."""

    def __init__(self, model: Any) -> None:
        self.settings, self.dims = model.settings, model.action_dims
        self.training = True
        self.records = {mode: PlainRecord(model.policy.core.state_size) for mode in (True, False)}
        self.streams = {
            mode: np.random.default_rng(derive_seed(model.seed, k))
            for k, mode in enumerate((True, False))
        }
        self.last_branches: tuple[int, ...] = ()
        self.n_updates = self.earlier_steps = self.n_scaled = 0
        self.running_return = self.sum_of_squares = 0.0

    @property
    def record(self) -> PlainRecord:
        return self.records[self.training]

    @property
    def update_is_due(self) -> bool:
        steps, least = self.record.steps, self.settings.rollout_length
        ended = any(step.ends for step in steps) if least is None else len(steps) >= least
        return self.training and ended

    @torch.no_grad()
    def act(self, policy: Any, obs: np.ndarray, action: int, *, deterministic: bool) -> None:
        """Record an action and check it against the policy and the random stream."""
        record = self.record
        if record.pending is not None:
            assert not self.training
            record.advance()
        inputs = np.concatenate((obs, self._context(record))).astype(np.float32)
        logits, value, next_flat_state = plain_step(policy, inputs, record.flat_state)
        log_probs, branches = [], plain_branches(action, self.dims)
        for part, choice in zip(logits, branches, strict=True):
            probabilities = part.softmax(0).tolist()
            log_probs.append(math.log(probabilities[choice]))
            if deterministic:
                assert probabilities[choice] >= max(probabilities) - TOLERANCE
            else:
                drawn, below = self.streams[self.training].random(), sum(probabilities[:choice])
                assert below - TOLERANCE <= drawn <= below + probabilities[choice] + TOLERANCE
        record.pending = PlainStep(
            inputs,
            action,
            log_probs,
            float(value),
            record.flat_state,
            next_flat_state,
            record.starts,
            record.opens,
        )
        self.last_branches = tuple(branches)

    def _context(self, record: PlainRecord) -> np.ndarray:
        if not self.settings.previous_action_reward:
            return np.zeros(0)
        context = np.zeros(sum(self.dims) + 1)
        if record.previous is not None:
            action, reward = record.previous
            for k, choice in enumerate(plain_branches(action, self.dims)):
                context[sum(self.dims[:k]) + choice] = 1.0
            context[-1] = np.sign(reward) * np.log1p(abs(reward))
        return context

    def switch(self, training: bool) -> None:
        """Start an evaluation with an empty record, or return to training."""
        if self.training and not training:
            self.records[False] = PlainRecord(self.record.state_size)
        self.training = training

    def start_epoch(self) -> None:
        if self.training:
            self.record.close_episode()
        else:
            self.records[False] = PlainRecord(self.record.state_size)

    def update(self) -> None:
        steps = self.record.steps
        for step in steps:
            if step.opens:
                self.running_return = 0.0
            self.running_return = self.settings.gamma * self.running_return + step.reward
            self.sum_of_squares += self.running_return**2
        self.n_scaled += len(steps)
        self.earlier_steps += len(steps)
        self.n_updates += 1
        self.record.steps = []

    def saved(self) -> PlainRules:
        """Return the rules as a checkpoint keeps them: no evaluation, no pending step."""
        kept = copy.deepcopy(self)
        kept.records[False] = PlainRecord(self.record.state_size)
        kept.records[True].pending = None
        return kept

    def loaded(self, saved: PlainRules) -> PlainRules:
        """Return the rules after loading a checkpoint."""
        rules = copy.deepcopy(saved)
        rules.training, rules.last_branches = self.training, self.last_branches
        return rules

    # --- the comparison ---

    def check(self, model: Any) -> None:
        """Assert that the model is in the expected state."""
        assert model.training is self.training
        assert model.last_actions == self.last_branches
        assert model.update_is_due is self.update_is_due
        assert model.n_updates == self.n_updates
        assert model.num_timesteps == self.earlier_steps + len(self.records[True].steps)
        scale = model.return_scale
        assert scale.count == self.n_scaled
        assert math.isclose(scale.sum_of_squares, self.sum_of_squares, rel_tol=TOLERANCE)
        assert model.memory is (model._rollout if self.training else model._evaluation_record)
        for rollout, record in (
            (model._rollout, self.records[True]),
            (model._evaluation_record, self.records[False]),
        ):
            _check_steps(rollout, record.steps)
            _check_position(rollout, record)
        _check_state(model._current_hidden, self.record.current_flat_state())


def _check_steps(rollout: Any, steps: list[PlainStep]) -> None:
    n = len(steps)
    assert len(rollout) == n
    if not n:
        return
    inputs = np.concatenate((rollout.states[:n].reshape(n, -1), rollout.context[:n]), axis=1)
    for given, expected in (
        (inputs, [step.inputs for step in steps]),
        (rollout.recurrent_states[:n], [step.flat_state.numpy() for step in steps]),
        (rollout.log_probs[:n], [step.log_probs for step in steps]),
        (rollout.values[:n], [step.value for step in steps]),
        (rollout.rewards[:n], [step.reward for step in steps]),
    ):
        np.testing.assert_allclose(given, np.array(expected), atol=TOLERANCE, rtol=TOLERANCE)
    assert rollout.actions[:n].tolist() == [step.action for step in steps]
    assert rollout.dones[:n].tolist() == [step.done for step in steps]
    assert rollout.episode_starts[:n].tolist() == [step.starts for step in steps]
    assert rollout.episode_ends[:n].tolist() == [step.ends for step in steps]


def _check_position(rollout: Any, record: PlainRecord) -> None:
    assert rollout.at_episode_start == record.starts
    previous = None if rollout.last_action is None else (rollout.last_action, rollout.last_reward)
    assert previous == record.previous
    np.testing.assert_allclose(rollout.recurrent_state, record.flat_state.numpy(), atol=TOLERANCE)
    assert (rollout.pending is None) == (record.pending is None)
    if record.pending is not None:
        assert rollout.pending.action == record.pending.action
        assert rollout.pending.episode_start == record.pending.starts


def _check_state(state: Any, flat_state: Tensor | None) -> None:
    assert (state is None) == (flat_state is None)
    if flat_state is not None:
        parts = torch.cat(state if isinstance(state, tuple) else (state,)).flatten()
        torch.testing.assert_close(parts, flat_state, atol=TOLERANCE, rtol=TOLERANCE)
