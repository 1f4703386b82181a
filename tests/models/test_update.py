"""Updates of a model: annealing, reward scaling and diagnostics."""

import math

import numpy as np
import pytest
import torch

from support.small_models import play, small_model, weights

N, DONES = 29, [6, 7, 18]


def test_entropy_coef_is_annealed_over_agent_steps():
    model = small_model(
        "lstm_ppo", rollout_length=10, entropy_start=0.5, entropy_end=0.1, entropy_decay_steps=40
    )
    seen = []
    for _ in range(5):
        play(model, 10)
        model.train_step()
        seen.append(model.diagnostics["train/entropy_coef"])
    assert seen == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.1])


def test_learning_rate_is_annealed_over_agent_steps():
    model = small_model(
        "lstm_ppo",
        rollout_length=10,
        learning_rate=4e-3,
        learning_rate_end_factor=0.25,
        learning_rate_decay_steps=30,
    )
    seen = []
    for _ in range(4):
        play(model, 10)
        model.train_step()
        seen.append(model.diagnostics["train/learning_rate"])
        assert model.optimizer.param_groups[0]["lr"] == seen[-1]
    assert seen == pytest.approx([3e-3, 2e-3, 1e-3, 1e-3])


def test_learning_rate_with_an_end_factor_of_1_is_constant():
    model = small_model(
        "lstm_ppo", learning_rate=4e-3, learning_rate_end_factor=1, learning_rate_decay_steps=1
    )
    play(model, N, dones=DONES)
    model.train_step()
    assert model.diagnostics["train/learning_rate"] == 4e-3


def test_reward_scaling_makes_updates_independent_of_the_size_of_rewards():
    after = []
    for factor in (1.0, 1000.0):
        model = small_model("lstm_ppo", reward_scaling=True)
        rng = np.random.default_rng(1)
        for t in range(N):
            model.take_action(rng.normal(size=7))
            model.add_memory_ppo(float(rng.normal()) * factor, t in DONES)
        model.train_step()
        after.append(weights(model))
    for key, value in after[0].items():
        torch.testing.assert_close(value, after[1][key], atol=1e-5, rtol=1e-3)


def test_return_scale_is_the_root_mean_square_of_the_discounted_return():
    model = small_model("lstm_ppo", reward_scaling=True, gamma=0.5, rollout_length=5)
    # Returns 1, 2.5, 3.25 | 2, 3 (the episode ends after the third step).
    for reward, done in [(1, False), (2, False), (2, True), (2, False), (2, False)]:
        model.take_action(np.ones(7))
        model.add_memory_ppo(reward, done)
    model.train_step()
    expected = math.sqrt((1 + 2.5**2 + 3.25**2 + 2**2 + 3**2) / 5)
    assert model.return_scale.scale == pytest.approx(expected)
    # Of the running episode; the next return is 0.5 * 3 plus the reward.
    assert model.return_scale.running_return == 3.0
    assert model.diagnostics["rollout/ep_rew_mean"] == 9 / 2  # unscaled, over two episodes


def test_diagnostics_of_an_update():
    model = small_model("lstm_ppo")
    assert model.diagnostics == {}
    play(model, N, dones=DONES)
    model.train_step()
    assert set(model.diagnostics) >= {
        "train/policy_gradient_loss",
        "train/value_loss",
        "train/entropy_loss",
        "train/approx_kl",
        "train/clip_fraction",
        "train/explained_variance",
        "train/grad_norm",
        "train/n_updates",
        "rollout/ep_rew_mean",
    }
    assert all(type(value) is float for value in model.diagnostics.values())
    assert model.diagnostics["train/n_updates"] == model.n_updates == 1
