"""What code written for Sorrel's other models asks of a model."""

import math

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.errors import NumericalError
from support.small_models import MODELS, OBS_SIZE, play, same_weights, small_model, weights

both = pytest.mark.parametrize("name", MODELS)
OBS = np.linspace(-1, 1, OBS_SIZE, dtype=np.float32)


def test_attributes_have_their_meaning_here():
    model = small_model("lstm_ppo", batch_size=13, rollout_length=29, gamma=0.97)
    assert (model.batch_size, model.n_frames, model.n_step, model.memory_size) == (13, 1, 1, 29)
    assert model.GAMMA == 0.97
    assert (
        small_model("lstm_ppo", batch_size=64).batch_size == 29
    )  # a loop that waits for it trains
    assert model.norm_module is None


def test_factored_actions_are_the_branches():
    model = small_model("gru_ppo")
    assert model.use_factored_actions
    assert model.get_last_factored_actions() is None
    model.take_action(np.zeros(7))
    assert model.get_last_factored_actions() == model.last_actions
    assert not small_model("lstm_ppo").use_factored_actions


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_tensors_are_observations_and_rewards(dtype):
    model = small_model("lstm_ppo")
    obs = torch.ones(7, dtype=dtype)
    reward = torch.tensor(2.0).to(dtype)
    if dtype != torch.int64:
        reward.requires_grad_()
    model.memory.add(obs, model.take_action(obs), reward, False)
    assert model.memory.rewards[:1].tolist() == [2.0]


@pytest.mark.parametrize("reward", [torch.ones(2), torch.tensor(float("nan"))])
def test_tensors_that_are_no_reward_are_refused(reward):
    model = small_model("lstm_ppo")
    obs = torch.ones(7)
    action = model.take_action(obs)
    with pytest.raises((TypeError, ValueError), match="reward must be"):
        model.memory.add(obs, action, reward, False)


# --- values ---


@both
@pytest.mark.parametrize("previous_action_reward", [False, True])
def test_state_value_is_the_value_of_the_next_step(name, previous_action_reward):
    model = small_model(name, previous_action_reward=previous_action_reward)
    seen = set()
    for t in range(9):
        value = model.state_value(OBS[None])
        assert (value.shape, value.dtype) == ((1,), np.float32)
        model.take_action(OBS)
        assert value[0] == np.float32(model.memory.pending.value)
        model.add_memory_ppo(float(t), t == 4)
        seen.add(value[0])
    assert len(seen) > 4  # it depends on the recurrent state
    play(model, 20)
    model.train_step()
    assert model.state_value(OBS)[0] not in seen


@both
def test_state_value_changes_nothing(name):
    model, twin = (small_model(name, previous_action_reward=True) for _ in range(2))
    for t in range(29):
        for pending in (False, True):
            model.state_value(OBS)
            assert (model.memory.pending is not None) == pending
            if not pending:
                assert model.take_action(OBS * t) == twin.take_action(OBS * t)
        for one in (model, twin):
            one.add_memory_ppo(1.0, t == 11)
    assert float(model.train_step()) == float(twin.train_step()) != 0.0
    assert same_weights(weights(model), weights(twin))


@both
@pytest.mark.parametrize("reset", [False, True])
def test_state_value_in_evaluation_follows_actions_without_rewards(name, reset):
    model = small_model(name, previous_action_reward=True).eval()
    for _ in range(5):
        value = model.state_value(OBS)
        model.take_action(OBS)
        assert value[0] == np.float32(model.memory.pending.value)
        if reset:
            model._current_hidden = None


def test_state_value_names_the_agent_in_errors():
    model = small_model("lstm_ppo")
    model.agent_name = "agent 5"
    with pytest.raises(ValueError, match=r"^agent 5: .*expected 7 values"):
        model.state_value(np.zeros(8))
    with torch.no_grad():
        model.policy.heads.critic.bias[0] = math.nan
    with pytest.raises(NumericalError, match=r"^agent 5: the policy's output is not finite"):
        model.state_value(OBS)


@pytest.mark.parametrize("attribute", ["state_values", "get_all_qvalues", "get_qvalues"])
def test_action_values_do_not_exist_and_the_error_names_state_value(attribute):
    model = small_model("lstm_ppo")
    model.agent_name = "agent 5"
    assert not hasattr(model, attribute)
    with pytest.raises(
        AttributeError, match=rf"^agent 5 has no {attribute}: .*state_value\(state\)"
    ):
        getattr(model, attribute)


def test_other_missing_attributes_are_reported_by_pytorch():
    with pytest.raises(AttributeError, match="'RecurrentPPOLSTM' object has no attribute 'value'"):
        _ = small_model("lstm_ppo").value
