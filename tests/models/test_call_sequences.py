"""Random sequences of calls: a model follows `PlainRules`, and a rejected call changes nothing."""

import copy
import functools
import random
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sorrel.agents import Agent

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.models.checkpoint import write_checkpoint
from sorrel_recurrent_ppo.population.agent_models import agent_label, attach_model
from sorrel_recurrent_ppo.support.randomness import peek_seed
from support.fuzzing import fingerprint
from support.plain_rules import PlainRules
from support.small_models import MODELS, same_weights, small_model, strengthen_policy, weights

SMALL = {
    "layer_size": 5,
    "hidden_size": 4,
    "rollout_length": 7,
    "sequence_length": 3,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "burn_in": 1,
    "n_epochs": 1,
}
OBSERVATIONS = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
observations = st.sampled_from(list(OBSERVATIONS))
rewards = st.sampled_from([0.0, 1.0, -2.5, 3, np.float32(0.5), np.array(-1)])
dones = st.sampled_from([False, True, np.True_, 1.0, np.array(0)])

INVALID_OBS: list[tuple[Any, type[Exception]]] = [
    (np.zeros(4), ValueError),
    (np.zeros(0), ValueError),
    (np.array([0.0, np.nan, 0.0]), ValueError),
    (np.array([0.0, 1e300, 0.0]), ValueError),
    (None, TypeError),
    ([[1.0], [2.0, 3.0]], TypeError),
]
INVALID_REWARDS: list[tuple[Any, type[Exception]]] = [
    (np.nan, ValueError),
    (np.inf, ValueError),
    (1e300, ValueError),
    (None, TypeError),
    ("1", TypeError),
    (np.zeros(1), TypeError),
]
INVALID_DONES = (None, "no", 2, np.nan, np.zeros(1))

type Call = tuple[Any, ...]  # the expected exception, the function and its arguments


class Mover(Agent):
    """A Sorrel agent; only its model and its ``add_memory`` are used."""

    def reset(self) -> None:
        self.model.reset()

    def pov(self, world: Any) -> np.ndarray:
        return OBSERVATIONS[0]

    def get_action(self, state: np.ndarray) -> int:
        return self.model.take_action(state)

    def act(self, world: Any, action: int) -> float:
        return 0.0

    def is_done(self, world: Any) -> bool:
        return False


def snapshot(model: Any) -> Any:
    """Return everything that a call could change."""
    records = (model._rollout, model._evaluation_record)
    return (
        fingerprint(model),
        (model.training, model.last_actions, model.deterministic, model.agent_name),
        [(record.state_dict(), record.pending) for record in records],
    )


def random_streams() -> tuple[Any, int, bytes]:
    """Return the states of Python's, numpy's and torch's global streams."""
    return random.getstate(), peek_seed(), torch.get_rng_state().numpy().tobytes()


@functools.cache
def prototype_model(
    name: str, size: int, previous_action_reward: bool, rollout_length: int | None
) -> Any:
    """Return a model to copy: building one takes longer than a complete example."""
    changes = {
        "previous_action_reward": previous_action_reward,
        "rollout_length": rollout_length,
    }
    model = small_model(name, (size,), **{**SMALL, **changes})
    strengthen_policy(model)
    return model


class Calls(RuleBasedStateMachine):
    """Calls of a model, each also made on `PlainRules`."""

    name: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.saved: dict[int, tuple[PlainRules, dict[str, torch.Tensor], bytes]] = {}
        self.replaced: list[tuple[Any, Any]] = []

    def teardown(self) -> None:
        self.folder.cleanup()
        for model, before in self.replaced:
            np.testing.assert_equal(snapshot(model), before)
        assert random_streams() == self.streams

    @property
    def model(self) -> Any:
        return self.agent.model

    def path(self, slot: object) -> Path:
        return Path(self.folder.name) / f"{slot}.pt"

    def new_model(self, seed: int) -> Any:
        model = copy.deepcopy(prototype_model(self.name, 3, *self.changes))
        model.reseed(seed)
        return model

    @initialize(
        seed=st.integers(0, 99),
        previous_action_reward=st.booleans(),
        rollout_length=st.sampled_from([SMALL["rollout_length"], None]),
    )
    def build(self, seed: int, previous_action_reward: bool, rollout_length: int | None) -> None:
        self.streams = random_streams()
        self.changes = previous_action_reward, rollout_length
        model = self.new_model(seed)
        unused: Any = None
        self.agent = Mover(unused, unused, model)
        attach_model(self.agent, 0, model)
        self.plain = PlainRules(model)

    @invariant()
    def model_follows_the_rules(self) -> None:
        if hasattr(self, "plain"):
            self.plain.check(self.model)

    def assert_rejected(self, calls: list[Call]) -> None:
        """Assert that each call raises, names the agent and changes nothing."""
        before = snapshot(self.model)
        for error, call, *arguments in calls:
            with pytest.raises(error) as caught:
                call(*arguments)
            assert caught.type is error
            if error is not CheckpointError:
                assert str(caught.value).startswith(f"{agent_label(0, self.agent)}: ")
        np.testing.assert_equal(snapshot(self.model), before)

    @rule(after_an_action=st.booleans())
    def invalid_arguments(self, after_an_action: bool) -> None:
        """Make calls whose arguments are invalid in every state of a model."""
        if after_an_action and self.plain.record.pending is None:
            self.act(OBSERVATIONS[1], False)
        pending = self.plain.record.pending
        twice = self.plain.training and pending is not None
        take_action, set_state = self.model.take_action, self.model._update_hidden_state
        self.assert_rejected(
            [(RuntimeError if twice else error, take_action, obs) for obs, error in INVALID_OBS]
        )
        action, obs = pending.action if pending else 0, OBSERVATIONS[0]
        invalid = [
            *((error, obs, action, reward, False) for reward, error in INVALID_REWARDS),
            *((TypeError, obs, action, 1.0, done) for done in INVALID_DONES),
            *((ValueError, obs, other, 1.0, False) for other in (action + 1, -1, None)),
            (ValueError, np.zeros(2), action, 1.0, False),
        ]
        add = self.agent.add_memory
        self.assert_rejected(
            [(error if pending else RuntimeError, add, *given) for error, *given in invalid]
        )
        wrong = [torch.zeros(shape) for shape in ((1, 1, 3), (1, 2, 4), (4,))]
        lstm = self.name == "lstm_ppo"
        self.assert_rejected(
            [(ValueError, set_state, (part, part) if lstm else part) for part in wrong]
        )
        self.assert_rejected([(TypeError, set_state, state) for state in ("zeros", 0, [1.0])])

    # --- acting ---

    @rule(obs=observations, deterministic=st.booleans())
    def act(self, obs: np.ndarray, deterministic: bool) -> None:
        if self.plain.training and self.plain.record.pending is not None:
            self.assert_rejected([(RuntimeError, self.model.take_action, obs)])
            return
        action = self.model.take_action(obs, deterministic=deterministic)
        self.plain.act(self.model.policy, obs, action, deterministic=deterministic)

    @rule(obs=observations, reward=rewards, done=dones)
    def add(self, obs: np.ndarray, reward: Any, done: Any) -> None:
        if self.plain.record.pending is None:
            self.assert_rejected(
                [
                    (RuntimeError, self.agent.add_memory, obs, 0, reward, done),
                    (RuntimeError, self.model.add_memory_ppo, reward, done),
                ]
            )
            return
        self.agent.add_memory(obs, self.plain.record.pending.action, reward, done)
        self.plain.record.complete(float(reward), bool(done))

    @rule(n=st.integers(3, 9), obs=observations, reward=rewards, done=dones)
    def play(self, n: int, obs: np.ndarray, reward: Any, done: Any) -> None:
        """Take steps like an environment; the last one may end the episode."""
        if self.plain.record.pending is not None:
            self.add(obs, reward, False)
        for t in range(n):
            self.act(OBSERVATIONS[t % 5], False)
            self.add(obs, reward, done if t == n - 1 else False)

    @rule(n=st.integers(3, 9), obs=observations, reward=rewards, done=dones)
    def play_epoch(self, n: int, obs: np.ndarray, reward: Any, done: Any) -> None:
        self.start_epoch()
        self.play(n, obs, reward, done)
        self.end_epoch("end_epoch_action")
        self.train_step()

    # --- epochs and the recurrent state ---

    @rule()
    def start_epoch(self) -> None:
        self.model.start_epoch_action(epoch=3)
        self.plain.start_epoch()

    @rule(way=st.sampled_from(["end_epoch_action", "reset"]))
    def end_epoch(self, way: str) -> None:
        getattr(self.model, way)()
        self.plain.record.close_episode()

    @rule()
    def reset_state(self) -> None:
        self.model._current_hidden = None
        self.plain.record.reset_state()

    @rule(seed=st.integers(0, 3))
    def replace_state(self, seed: int) -> None:
        numbers = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, size=(1, 16)))
        flat_states = numbers[:, : self.model.policy.core.state_size].float()
        self.model._current_hidden = self.model.policy.core.state_from_flat(flat_states)
        record, flat_state = self.plain.record, flat_states[0]
        if not torch.equal(flat_state, record.flat_state) or record.pending:
            record.replace_state(flat_state)

        before = snapshot(self.model)
        self.model._current_hidden = self.model._current_hidden  # changes nothing
        np.testing.assert_equal(snapshot(self.model), before)

    # --- evaluation, learning ---

    @rule(training=st.booleans())
    def switch(self, training: bool) -> None:
        self.model.train(training)
        self.plain.switch(training)

    @rule()
    def train_step(self) -> None:
        before, weights_before = snapshot(self.model), weights(self.model)
        loss = self.model.train_step()
        assert isinstance(loss, np.ndarray)
        if self.plain.update_is_due:
            self.plain.update()
            assert loss != 0.0
            assert not same_weights(weights(self.model), weights_before)
            assert self.model.diagnostics["train/n_updates"] == self.plain.n_updates
        else:
            assert loss == 0.0
            np.testing.assert_equal(snapshot(self.model), before)

    # --- files, other models ---

    @rule(slot=st.integers(0, 1))
    def save(self, slot: int) -> None:
        before = snapshot(self.model)
        self.model.save(self.path(slot))
        np.testing.assert_equal(snapshot(self.model), before)
        self.saved[slot] = self.plain.saved(), weights(self.model), fingerprint(self.model)

    @rule(slot=st.integers(0, 1))
    def load(self, slot: int) -> None:
        if slot not in self.saved:
            self.assert_rejected([(CheckpointError, self.model.load, self.path(slot))])
            return
        self.model.load(self.path(slot))
        plain, saved_weights, saved_state = self.saved[slot]
        self.plain = self.plain.loaded(plain)
        assert same_weights(weights(self.model), saved_weights)
        assert fingerprint(self.model) == saved_state

    @rule(fault=st.sampled_from(["missing", "cut", "late", "other"]))
    def load_invalid_file(self, fault: str) -> None:
        path = self.path(fault)
        if fault == "cut":
            self.model.save(path)
            path.write_bytes(path.read_bytes()[:-40])
        elif fault == "late":  # detected after everything but the counters is loaded
            write_checkpoint(path, {**self.new_model(5).training_state(), "n_updates": -1})
        elif fault == "other":
            prototype_model(self.name, 2, *self.changes).save(path)
        self.assert_rejected([(CheckpointError, self.model.load, path)])

    @rule(seed=st.integers(100, 199))
    def replace_model(self, seed: int) -> None:
        """Replace the agent's model; the old one must not change any more."""
        self.replaced.append((self.model, snapshot(self.model)))
        newcomer = self.new_model(seed)
        attach_model(self.agent, 0, newcomer)
        assert self.model is newcomer
        self.plain = PlainRules(newcomer)


def machine(name: str) -> type[Calls]:
    """Return the state machine of a model."""
    return type("Calls", (Calls,), {"name": name})


@pytest.mark.parametrize("name", MODELS)
def test_random_calls_follow_the_rules(name: str) -> None:
    few = settings(max_examples=12, stateful_step_count=25, deadline=None, derandomize=True)
    run_state_machine_as_test(machine(name), settings=few)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_long_sequences_of_uniform_calls_follow_the_rules(name: str, seed: int) -> None:
    """Uniform choice covers combinations of calls that hypothesis rarely generates."""
    rng = np.random.default_rng(seed)
    calls = machine(name)()
    calls.build(seed, seed % 2 == 1, None if seed < 2 else SMALL["rollout_length"])
    for _ in range(150):
        obs, reward = OBSERVATIONS[rng.integers(5)], float(rng.normal())
        n, slot, yes, done = rng.integers([7, 2, 2, 4]).tolist()
        choices: list[tuple[Any, ...]] = [
            *[(calls.act, obs, bool(yes)), (calls.add, obs, reward, done == 0)] * 3,
            *[(calls.play, 1 + n, obs, reward, done == 0)] * 2,
            (calls.play_epoch, 1 + n, obs, reward, done == 0),
            *[(calls.start_epoch,), (calls.end_epoch, ("reset", "end_epoch_action")[yes])],
            *[(calls.reset_state,), (calls.replace_state, int(n))],
            *[(calls.switch, bool(yes)), (calls.switch, True), (calls.train_step,)],
            *[
                (calls.save, int(slot)),
                (calls.load, int(slot)),
                (calls.invalid_arguments, bool(yes)),
            ],
            (calls.load_invalid_file, ("missing", "cut", "late", "other")[done]),
        ]
        choices += [(calls.replace_model, int(n))] * (n == 0)
        call, *arguments = choices[rng.integers(len(choices))]
        call(*arguments)
        calls.plain.check(calls.model)
    calls.teardown()


def test_rejected_observation_in_evaluation_keeps_the_pending_step() -> None:
    model = small_model("lstm_ppo", (3,), **SMALL).eval()
    action = model.take_action(OBSERVATIONS[0])
    before = snapshot(model)
    with pytest.raises(ValueError, match="expected 3 values"):
        model.take_action(np.zeros(4))
    np.testing.assert_equal(snapshot(model), before)
    model.memory.add(OBSERVATIONS[0], action, 1.0, False)


@pytest.mark.parametrize("way", ["start_epoch_action", "end_epoch_action", "reset"])
def test_closing_an_episode_after_an_update_resets_the_running_return(way: str) -> None:
    model = small_model("lstm_ppo", (3,), **SMALL)
    for _ in range(7):
        model.take_action(OBSERVATIONS[0])
        model.add_memory_ppo(1.0, False)
    model.train_step()
    assert model.return_scale.running_return > 1.0
    getattr(model, way)()
    assert model.return_scale.running_return == 0.0
