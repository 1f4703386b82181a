"""What code written for Sorrel's other models asks of a model."""

import numpy as np
import pytest
import torch

from support.small_models import small_model


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
