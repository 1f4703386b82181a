"""The rollout: storing, growing, checks of its input, and Sorrel's buffer interface."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from sorrel.buffers import Buffer, SavedGames

from support.small_models import OBS_SIZE, play, small_model

OBS = np.arange(OBS_SIZE, dtype=np.float32)


def stored(memory):
    """Return a copy of the rollout's steps and position, to compare."""
    return copy.deepcopy((memory.state_dict(), memory.pending, memory.size, memory.idx))


def assert_same(one: Any, other: Any):
    np.testing.assert_equal(one[0], other[0])
    assert repr(one[1:]) == repr(other[1:])


def test_step_is_stored_like_in_sorrels_buffer():
    model = small_model("lstm_ppo")
    memory = model.memory
    assert isinstance(memory, Buffer)
    assert (len(memory), memory.last_transition()) == (0, None)
    actions, rewards = play(model, 4, dones=[2])
    assert (len(memory), memory.size, memory.idx, memory.getidx()) == (4, 4, 4, 4)
    assert memory.actions[:4].tolist() == actions
    assert memory.rewards[:4].tolist() == pytest.approx(rewards)
    assert memory.dones[:4].tolist() == [0, 0, 1, 0]
    assert memory.last_transition() == (actions[3], pytest.approx(rewards[3]), False)
    assert memory.last_transition(1) == (actions[2], pytest.approx(rewards[2]), True)
    assert memory.last_transition(4) is None


@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1), (2, 2, 3)])
def test_current_state_adds_no_frames_to_the_observation(shape):
    model = small_model("lstm_ppo", input_size=shape)
    play(model, 3)
    state = np.zeros((1, model.layout.size))
    assert np.vstack((model.memory.current_state(), state)).shape == (1, model.layout.size)
    assert model.memory.obs_shape == shape
    assert model.memory.states.shape[1:] == shape


def test_observation_given_to_take_action_is_stored():
    model = small_model("lstm_ppo")
    asked = OBS.copy()
    action = model.take_action(asked)
    asked[:] = -1  # the agent reuses its array
    model.memory.add(asked, action, 1.0, False)
    assert model.memory.states[0].tolist() == OBS.tolist()


def test_state_before_each_step_is_stored():
    model = small_model("lstm_ppo")
    play(model, 11, dones=[3, 4])
    flat_states = model.memory.recurrent_states[:11]
    starts = [0, 4, 5]
    assert [not state.any() for state in flat_states] == [t in starts for t in range(11)]
    assert model.memory.episode_starts[:11].tolist() == [t in starts for t in range(11)]


def test_growing_keeps_all_steps():
    model = small_model("lstm_ppo")
    memory = model.memory
    capacity = memory.capacity
    memory.extra_data["positions"] = np.zeros((capacity, 2), np.int64)
    for t in range(capacity + 3):
        action = model.take_action(OBS + t)
        memory.add(OBS + t, action, float(t), t % 5 == 4, positions=(t, -t))
    n = capacity + 3
    assert len(memory) == n <= memory.capacity
    assert memory.rewards[:n].tolist() == list(range(n))
    assert memory.states[:n].tolist() == [(OBS + t).tolist() for t in range(n)]
    assert memory.extra_data["positions"][:n].tolist() == [[t, -t] for t in range(n)]
    assert [bool(state.any()) for state in memory.recurrent_states[:n]] == [
        t % 5 > 0 for t in range(n)
    ]
    assert {len(a) for a in (memory.states, memory.dones, memory.extra_data["positions"])} == {
        memory.capacity
    }


def test_saved_games_copy_a_rollout():
    model = small_model("lstm_ppo", input_size=(1, OBS_SIZE))
    model.memory.extra_data["positions"] = np.zeros((model.memory.capacity, 2), np.int64)
    games = SavedGames(capacity=11, obs_shape=(1, OBS_SIZE), n_frames=1, positions=(2,))
    actions = []
    for t in range(5):
        actions.append(model.take_action(OBS + t))
        model.memory.add(OBS + t, actions[-1], t, t == 2, positions=(t, t + 1))
    games.add_from_buffer(model.memory)
    games.add_from_buffer(model.memory)
    assert games.size == 10
    assert games.actions[:10].tolist() == actions * 2
    assert games.states[5:10, 0].tolist() == [(OBS + t).tolist() for t in range(5)]
    assert games.dones[:5].tolist() == [0, 0, 1, 0, 0]
    assert games.extra_data["positions"][:5].tolist() == [[t, t + 1] for t in range(5)]


def test_add_empty_adds_nothing():
    model = small_model("lstm_ppo")
    play(model, 3)
    model.memory.add_empty()
    assert (len(model.memory), model.memory.idx) == (3, 3)


def test_clear_keeps_the_position_in_the_episode():
    model = small_model("lstm_ppo")
    play(model, 3)
    flat_state = model.memory.recurrent_state.copy()
    assert flat_state.any()
    model.memory.clear()
    assert (len(model.memory), model.memory.at_episode_start) == (0, False)
    play(model, 1)
    assert model.memory.recurrent_states[0].tolist() == flat_state.tolist()
    assert not model.memory.episode_starts[0]


def test_clear_removes_episode_ends():
    model = small_model("lstm_ppo")
    play(model, 5, dones=[1, 3])
    model.clear_memory()
    play(model, 5)
    assert model.memory.arrays().episode_ends.tolist() == [False] * 4 + [True]


def test_arrays_have_episode_ends_and_joint_log_probs():
    model = small_model("gru_ppo")
    play(model, 3, dones=[0])
    model.end_epoch_action(epoch=0)
    play(model, 2)
    arrays = model.memory.arrays()
    assert arrays.episode_starts.tolist() == [True, True, False, True, False]
    assert arrays.episode_ends.tolist() == [True, False, True, False, True]
    assert arrays.dones.tolist() == [True, False, False, False, False]
    assert arrays.log_probs.tolist() == pytest.approx(
        [sum(branches) for branches in model.memory.log_probs[:5].tolist()]
    )


# --- rejected input leaves the rollout unchanged ---


def test_add_without_a_pending_step_names_the_agent():
    model = small_model("lstm_ppo")
    play(model, 2)
    model.agent_name = "agent 5"
    before = stored(model.memory)
    for give in (lambda: model.memory.add(OBS, 0, 1.0, False), lambda: model.add_memory_ppo(1, 0)):
        with pytest.raises(RuntimeError, match=r"^agent 5: .* called without a pending action"):
            give()
    assert_same(stored(model.memory), before)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"action": 99}, ValueError, "got action 99, but the model chose"),
        ({"action": (1, 0.5)}, ValueError, r"got action \(1, 0.5\)"),
        ({"action": None}, ValueError, "got action None"),
        ({"reward": float("nan")}, ValueError, "finite in single precision, not nan"),
        ({"reward": float("-inf")}, ValueError, "finite in single precision, not -inf"),
        ({"reward": np.float32("inf")}, ValueError, "finite in single precision, not inf"),
        ({"reward": 1e39}, ValueError, "finite in single precision, not 1e\\+39"),
        ({"reward": 10**400}, TypeError, "reward must be a number, not 1000"),
        ({"action": np.array([0, 1])}, ValueError, r"got action array\(\[0, 1\]\)"),
        ({"action": "0"}, ValueError, "got action '0'"),
        (
            {"obs": [[1], [2, 3]]},
            ValueError,
            "observation of 0 values, expected 7 as in take_action",
        ),
        ({"obs": None}, ValueError, "observation of 1 values, expected 7 as in take_action"),
        ({"reward": None}, TypeError, "reward must be a number, not None"),
        ({"reward": "1"}, TypeError, "reward must be a number, not '1'"),
        ({"reward": [1.0]}, TypeError, r"reward must be a number, not \[1.0\]"),
        ({"reward": np.ones(1)}, TypeError, "reward must be a number, not array"),
        ({"reward": 1j}, TypeError, "reward must be a number"),
        ({"done": None}, TypeError, "done must be true or false, not None"),
        ({"done": "no"}, TypeError, "done must be true or false, not 'no'"),
        ({"done": 2}, TypeError, "done must be true or false, not 2"),
        ({"done": 0.5}, TypeError, "done must be true or false, not 0.5"),
        ({"done": [True]}, TypeError, r"done must be true or false, not \[True\]"),
        ({"obs": OBS[1:]}, ValueError, "observation of 6 values, expected 7 as in take_action"),
        ({"places": 3}, ValueError, "memory.extra_data has no key 'places'. Valid: none"),
    ],
)
def test_add_rejects_invalid_input_and_can_be_repeated(change, error, message):
    model = small_model("lstm_ppo")
    play(model, 2)
    model.agent_name = "agent 5"
    action = model.take_action(OBS)
    good = {"obs": OBS, "action": action, "reward": 1.0, "done": False}
    before = stored(model.memory)
    with pytest.raises(error, match=f"^agent 5: .*{message}"):
        model.memory.add(**{**good, **change})
    assert_same(stored(model.memory), before)
    model.memory.add(**good)
    assert model.memory.last_transition() == (action, 1.0, False)


@pytest.mark.parametrize("given", [(1, 2, 3), None, "ab"])
def test_add_rejects_an_extra_value_of_another_shape(given):
    model = small_model("lstm_ppo")
    model.memory.extra_data["positions"] = np.zeros((model.memory.capacity, 2), np.int64)
    model.agent_name = "agent 5"
    action = model.take_action(OBS)
    before = stored(model.memory)
    with pytest.raises(ValueError, match=r"^agent 5: memory.add got positions=.*int64\[2\]"):
        model.memory.add(OBS, action, 1.0, False, positions=given)
    assert_same(stored(model.memory), before)
    model.memory.add(OBS, action, 1.0, False, positions=(3, 4))
    assert model.memory.extra_data["positions"][0].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("reward", "expected"),
    [(3, 3.0), (np.float32(0.5), 0.5), (np.int64(-7), -7.0), (np.array(2.0), 2.0), (True, 1.0)],
)
def test_add_accepts_rewards_of_any_numeric_type(reward, expected):
    model = small_model("lstm_ppo")
    model.memory.add(OBS, model.take_action(OBS), reward, False)
    assert model.memory.last_transition()[1] == expected


@pytest.mark.parametrize(
    ("done", "expected"),
    [(1, True), (0, False), (np.bool_(True), True), (np.float32(0), False), (1.0, True)],
)
def test_add_accepts_done_of_any_boolean_type(done, expected):
    model = small_model("lstm_ppo")
    model.memory.add(OBS, model.take_action(OBS), 0.0, done)
    assert model.memory.last_transition()[2] is expected
    assert model.memory.at_episode_start is expected


def test_add_accepts_an_action_of_numpys_type():
    model = small_model("lstm_ppo")
    model.memory.add(OBS, np.int64(model.take_action(OBS)), 0.0, False)
    assert len(model.memory) == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copy_of_a_model_stores_its_own_observations(copied):
    model = small_model("lstm_ppo")
    play(model, 3)
    twin = copied(model)
    assert play(twin, 5) == play(model, 5)
    assert twin.memory.states[:8].tolist() == model.memory.states[:8].tolist()
    assert twin.memory.states[3:8].any(axis=1).all()
