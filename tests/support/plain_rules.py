"""The rules of collecting, written out slowly and plainly: any sequence of calls must follow them.

Nothing here is shared with the package but the seeds that random streams are derived from.
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


def plain_step(policy: Any, inputs: np.ndarray, row: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Run the network for one step of one agent, by PyTorch's layers.

    Returns:
        The logits of each branch, the value, and the row of the state after the step.
    """
    features = policy.norm(policy.encoder(torch.from_numpy(inputs)[None]))
    parts = tuple(row.reshape(-1, 1, 1, policy.core.hidden_size))  # h; for the LSTM h and c
    output, after = policy.core.rnn(features[None], parts if len(parts) == 2 else parts[0])
    logits = policy.heads.actor(output[0, 0]).split(policy.heads.dims)
    after = after if isinstance(after, tuple) else (after,)
    return list(logits), policy.heads.critic(output[0, 0])[0], torch.cat(after).flatten()


def plain_branches(action: int, dims: tuple[int, ...]) -> list[int]:
    """Return a joint action's branches, the last one counting fastest."""
    branches = []
    for size in reversed(dims):
        branches.insert(0, action % size)
        action //= size
    return branches


@dataclass
class PlainStep:
    """A step; ``next_flat_state`` is ``None`` if the state has been zeroed by hand since."""

    inputs: np.ndarray
    action: int
    log_probs: list[float]
    value: float
    row: Tensor
    next_flat_state: Tensor | None
    starts: bool
    opens: bool  # nothing of its episode came before, for the returns
    replaced: bool = False
    reward: float = 0.0
    done: bool = False
    ends: bool = False


@dataclass
class PlainRecord:
    """Steps in order, and the place in the episode."""

    state_size: int
    steps: list[PlainStep] = field(default_factory=list)
    waiting: PlainStep | None = None

    def __post_init__(self) -> None:
        self.close_episode()

    def close_episode(self) -> None:
        if self.steps:
            self.steps[-1].ends = True
        self.waiting, self.opens = None, True
        self.zero_state()

    def zero_state(self) -> None:
        if self.waiting is not None:
            self.waiting.next_flat_state, self.waiting.replaced = None, False
            return
        self.row, self.starts = torch.zeros(self.state_size), True
        self.previous: tuple[int, float] | None = None

    def replace_state(self, row: Tensor) -> None:
        """Take a state that is another than the present one."""
        if self.waiting is not None:
            self.waiting.next_flat_state, self.waiting.replaced = row, True
        else:
            self.row, self.starts = row, True

    def current_row(self) -> Tensor | None:
        """Return the row that the next step starts from; ``None`` if a reset made it zero."""
        if self.waiting is not None:
            return self.waiting.next_flat_state
        return None if self.starts and not self.row.any() else self.row

    def complete(self, reward: float, done: bool) -> None:
        step = self.waiting
        assert step is not None
        step.reward, step.done = reward, done
        self.steps.append(step)
        self.pass_over(reward)
        if done:
            self.close_episode()

    def pass_over(self, reward: float = 0.0) -> None:
        """Go on after the waiting step, stored or not."""
        step, self.waiting, self.opens = self.waiting, None, False
        assert step is not None
        if step.next_flat_state is None:
            self.zero_state()
        else:
            self.row, self.starts = step.next_flat_state, step.replaced
            self.previous = (step.action, reward)


class PlainRules:
    """What a model has to be like after the calls made so far."""

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
        return self.training and len(self.record.steps) >= self.settings.rollout_length

    @torch.no_grad()
    def act(self, policy: Any, obs: np.ndarray, action: int, *, deterministic: bool) -> None:
        """Note an action, which must be the one that the policy and the random stream give."""
        record = self.record
        if record.waiting is not None:
            assert not self.training
            record.pass_over()
        inputs = np.concatenate((obs, self._context(record))).astype(np.float32)
        logits, value, next_flat_state = plain_step(policy, inputs, record.row)
        log_probs, branches = [], plain_branches(action, self.dims)
        for part, choice in zip(logits, branches, strict=True):
            probabilities = part.softmax(0).tolist()
            log_probs.append(math.log(probabilities[choice]))
            if deterministic:
                assert probabilities[choice] >= max(probabilities) - TOLERANCE
            else:
                drawn, below = self.streams[self.training].random(), sum(probabilities[:choice])
                assert below - TOLERANCE <= drawn <= below + probabilities[choice] + TOLERANCE
        record.waiting = PlainStep(
            inputs,
            action,
            log_probs,
            float(value),
            record.row,
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
        """Start an evaluation from nothing, or go back to training's own place."""
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
        """Return what a file keeps: all but the evaluation and the step without a reward."""
        kept = copy.deepcopy(self)
        kept.records[False] = PlainRecord(self.record.state_size)
        kept.records[True].waiting = None
        return kept

    def loaded(self, saved: PlainRules) -> PlainRules:
        """Return the rules of this model after loading a file."""
        rules = copy.deepcopy(saved)
        rules.training, rules.last_branches = self.training, self.last_branches
        return rules

    # --- the comparison ---

    def check(self, model: Any) -> None:
        """Fail unless the model is as it has to be."""
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
            _check_place(rollout, record)
        _check_state(model._current_hidden, self.record.current_row())


def _check_steps(rollout: Any, steps: list[PlainStep]) -> None:
    n = len(steps)
    assert len(rollout) == n
    if not n:
        return
    inputs = np.concatenate((rollout.states[:n].reshape(n, -1), rollout.context[:n]), axis=1)
    for given, expected in (
        (inputs, [step.inputs for step in steps]),
        (rollout.recurrent_states[:n], [step.row.numpy() for step in steps]),
        (rollout.log_probs[:n], [step.log_probs for step in steps]),
        (rollout.values[:n], [step.value for step in steps]),
        (rollout.rewards[:n], [step.reward for step in steps]),
    ):
        np.testing.assert_allclose(given, np.array(expected), atol=TOLERANCE, rtol=TOLERANCE)
    assert rollout.actions[:n].tolist() == [step.action for step in steps]
    assert rollout.dones[:n].tolist() == [step.done for step in steps]
    assert rollout.episode_starts[:n].tolist() == [step.starts for step in steps]
    assert rollout.episode_ends[:n].tolist() == [step.ends for step in steps]


def _check_place(rollout: Any, record: PlainRecord) -> None:
    assert rollout.at_episode_start == record.starts
    previous = None if rollout.last_action is None else (rollout.last_action, rollout.last_reward)
    assert previous == record.previous
    np.testing.assert_allclose(rollout.recurrent_state, record.row.numpy(), atol=TOLERANCE)
    assert (rollout.pending is None) == (record.waiting is None)
    if record.waiting is not None:
        assert rollout.pending.action == record.waiting.action
        assert rollout.pending.episode_start == record.waiting.starts


def _check_state(state: Any, row: Tensor | None) -> None:
    assert (state is None) == (row is None)
    if row is not None:
        parts = torch.cat(state if isinstance(state, tuple) else (state,)).flatten()
        torch.testing.assert_close(parts, row, atol=TOLERANCE, rtol=TOLERANCE)
