"""The PPO update: against a simple reference implementation, and the effect of each setting."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from sorrel_recurrent_ppo.learning import ppo
from sorrel_recurrent_ppo.learning.minibatches import draw_passes
from sorrel_recurrent_ppo.learning.sequences import fill_minibatches
from support.small_models import MODELS, play, small_model, strengthen_policy, weights

both = pytest.mark.parametrize("name", MODELS)
N, DONES = 29, [6, 7, 18]

PLAIN = {
    "sequence_length": 1,
    "n_epochs": 3,
    "learning_rate": 3e-3,
    "learning_rate_end_factor": 1.0,
    "gamma": 0.9,
    "gae_lambda": 0.8,
    "clip_range": 0.1,
    "clip_range_vf": None,
    "value_coef": 0.7,
    "max_grad_norm": 0.4,
    "entropy_start": 0.03,
    "entropy_end": 0.03,
    "uniform_kl_coef": 0.02,
    "reward_scaling": False,
    "target_kl": None,
}


def collect(name, n_steps=N, **settings):
    """Return a model with a rollout, whose policy clearly depends on state and observation."""
    model = small_model(name, **settings)
    strengthen_policy(model)
    play(model, n_steps, dones=DONES)
    return model


def parts(name, states):
    return states if name == "lstm_ppo" else states[0]


def plain_ppo(name, model, settings):
    """Return the weights after single-step PPO from stored states, on a copy of the model."""
    batch = model._prepare_batch()
    n_states = 2 if name == "lstm_ppo" else 1
    obs, states, rest = batch[0], batch[1 : 1 + n_states], batch[1 + n_states :]
    n_branches = len(model.action_dims)
    actions = torch.stack(rest[:n_branches], dim=1)
    old_log_prob = torch.stack(rest[n_branches : 2 * n_branches], dim=1).sum(dim=1)
    values, rewards, dones = rest[2 * n_branches :]

    advantages = torch.zeros(len(obs))
    following = 0.0
    for t in reversed(range(len(obs))):
        cut_off = t == len(obs) - 1
        next_value = values[t] if cut_off else values[t + 1]
        not_done = 1 - dones[t]
        delta = rewards[t] + settings["gamma"] * not_done * next_value - values[t]
        following = delta + settings["gamma"] * settings["gae_lambda"] * not_done * following
        advantages[t] = following
    returns = advantages + values
    advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)

    policy = copy.deepcopy(model.policy)
    rng = copy.deepcopy(model.learner.rng)
    adam = torch.optim.Adam(policy.parameters(), lr=settings["learning_rate"], eps=1e-5)
    for _ in range(settings["n_epochs"]):
        for chosen in fill_minibatches(np.ones(len(obs), int), model.settings.batch_size, rng):
            i = torch.as_tensor(chosen)
            state = parts(name, tuple(s[:, i].contiguous() for s in states))
            output, _ = policy.core.rnn(policy.encoder(obs[i])[None], state)
            logits, value = policy.heads.actor(output[0]), policy.heads.critic(output[0])[:, 0]
            branches = [Categorical(logits=part) for part in logits.split(model.action_dims, 1)]
            log_prob = sum(b.log_prob(actions[i, k]) for k, b in enumerate(branches))
            ratio = (log_prob - old_log_prob[i]).exp()
            low, high = 1 - settings["clip_range"], 1 + settings["clip_range"]
            gain = torch.min(ratio * advantages[i], ratio.clamp(low, high) * advantages[i])
            loss = -gain.mean() + settings["value_coef"] * ((value - returns[i]) ** 2).mean() / 2
            entropy = torch.stack([b.entropy() for b in branches]).sum(dim=0)
            loss = loss - settings["entropy_start"] * entropy.mean()
            uniform = [Categorical(logits=torch.zeros_like(b.logits)) for b in branches]
            kl = sum(kl_divergence(u, b) for u, b in zip(uniform, branches, strict=True))
            loss = loss + settings["uniform_kl_coef"] * torch.as_tensor(kl).mean()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), settings["max_grad_norm"])
            adam.step()
    return dict(policy.state_dict())


@both
@pytest.mark.parametrize("batch_size", [7, 100])
def test_update_with_sequences_of_one_step_matches_the_reference(name, batch_size):
    model = collect(name, batch_size=batch_size, **PLAIN)
    before = weights(model)
    expected = plain_ppo(name, model, PLAIN)
    model.train_step()
    for key, value in weights(model).items():
        torch.testing.assert_close(value, expected[key], atol=2e-6, rtol=1e-4)
        assert (value != before[key]).any()


# --- the first evaluation of an update ---


def complete_minibatch(model, arrays):
    """Return all sequences of a rollout as one minibatch."""
    settings = replace(model.settings, batch_size=len(arrays.actions), n_epochs=1)
    rng = np.random.default_rng(5)
    ((minibatch,),) = draw_passes(arrays.episode_starts, settings, rng, model.device)
    return minibatch


def evaluate_rollout(model):
    """Return log-probabilities and values of the stored steps as an update computes them."""
    arrays = model.memory.arrays()
    batch, _ = model.learner._prepare(arrays)
    minibatch = complete_minibatch(model, arrays)
    grid = minibatch.grid
    flat_states = model.learner._starting_states(batch, minibatch)
    with torch.no_grad():
        distribution, values = model.policy.evaluate_sequences(
            batch.inputs[grid.steps],
            model.policy.core.state_from_flat(flat_states),
            grid.positions,
            grid.n_steps,
        )
        log_probs, _ = distribution.log_prob_and_entropy(batch.branches[grid.steps])
    order = grid.steps.argsort()
    return log_probs[order].numpy(), values[order].numpy(), arrays


several = pytest.mark.parametrize(
    "settings",
    [
        {"sequence_length": 1},
        {"sequence_length": 3},
        {"sequence_length": 29},
        {"sequence_length": 3, "burn_in": 2},
        {"sequence_length": 5, "burn_in": 100},
        {"sequence_length": 5, "previous_action_reward": True},
        {"sequence_length": 5, "obs_dim": [1, 2, 3], "layer_norm": True},
    ],
    ids=lambda settings: " ".join(f"{k}={v}" for k, v in settings.items()),
)


@both
@several
def test_evaluation_before_an_update_matches_acting(name, settings):
    model = collect(name, **settings)
    log_probs, values, arrays = evaluate_rollout(model)
    assert arrays.log_probs.std() > 0.1
    np.testing.assert_allclose(log_probs, arrays.log_probs, atol=1e-4)
    np.testing.assert_allclose(values, arrays.values, atol=1e-4)


@both
@several
def test_evaluation_after_an_update_within_an_episode_matches_acting(name, settings):
    model = collect(name, learning_rate=1e-2, **settings)
    model.learn()
    play(model, 17, dones=[4], seed=5)
    log_probs, values, arrays = evaluate_rollout(model)
    assert not arrays.episode_starts[0]
    np.testing.assert_allclose(log_probs, arrays.log_probs, atol=1e-4)
    np.testing.assert_allclose(values, arrays.values, atol=1e-4)


@both
def test_update_starts_with_ratios_of_one(name, monkeypatch):
    seen = []

    def spy(ratio, *rest):
        seen.append(ratio.detach().clone())
        return original(ratio, *rest)

    original = ppo.clipped_policy_loss
    monkeypatch.setattr(ppo, "clipped_policy_loss", spy)
    model = collect(name, n_epochs=3, batch_size=100, learning_rate=1e-2)
    model.train_step()
    assert [len(ratio) for ratio in seen] == [N] * 3
    torch.testing.assert_close(seen[0], torch.ones(N), atol=1e-4, rtol=0)
    assert (seen[1] - 1).abs().max() > 1e-3


@both
def test_update_with_a_vanishing_learning_rate_has_no_divergence(name):
    model = collect(name, learning_rate=1e-30, clip_range=1e-3)
    arrays = model.memory.arrays()
    model.train_step()
    diagnostics = model.diagnostics
    assert diagnostics["train/approx_kl"] == pytest.approx(0.0, abs=1e-6)
    assert diagnostics["train/clip_fraction"] == 0.0
    assert diagnostics["train/policy_gradient_loss"] == pytest.approx(0.0, abs=0.1)
    assert len(arrays.values) == N


# --- burn-in ---


@both
@pytest.mark.parametrize("burn_in", [1, 2, 4])
def test_burn_in_runs_the_previous_steps_with_the_current_weights(name, burn_in):
    model = collect(name, burn_in=burn_in)
    with torch.no_grad():  # the stored states are stale: the weights have changed since acting
        for parameter in model.policy.parameters():
            parameter.mul_(1.1)
    arrays = model.memory.arrays()
    batch, _ = model.learner._prepare(arrays)
    minibatch = complete_minibatch(model, arrays)
    flat_states = model.learner._starting_states(batch, minibatch)
    first_row = minibatch.grid.positions < len(flat_states)
    starts = minibatch.grid.steps[first_row].tolist()
    for start, flat_state in zip(starts, flat_states, strict=True):
        first = start
        while first > start - burn_in and not arrays.episode_starts[first]:
            first -= 1
        expected = batch.recurrent_states[first][None]
        for t in range(first, start):
            with torch.no_grad():
                _, _, state = model.policy.step(
                    batch.inputs[t][None], model.policy.core.state_from_flat(expected)
                )
            expected = model.policy.core.flatten_state(state)
        torch.testing.assert_close(flat_state[None], expected, atol=1e-5, rtol=1e-4)
        assert not flat_state.requires_grad
        if first < start:
            assert (flat_state - batch.recurrent_states[start]).abs().max() > 1e-4


# --- backpropagation through time ---


@both
def test_longer_sequences_change_the_gradient_of_the_recurrent_weights(name):
    """With one minibatch of the same rollout, only the gradient through time differs."""
    after = []
    for length in (1, 29):
        model = collect(name, sequence_length=length, batch_size=100, n_epochs=1)
        model.train_step()
        after.append(weights(model)["core.rnn.weight_hh_l0"])
    assert (after[0] - after[1]).abs().max() > 1e-5


# --- settings ---


def gradient_of_first_step(model):
    """Make an update of one minibatch and return the gradient, from Adam's first moments."""
    model.train_step()
    states = model.optimizer.state.values()
    return torch.cat([state["exp_avg"].flatten() / 0.1 for state in states])


ONE_STEP = {"n_epochs": 1, "batch_size": 100}


def test_max_grad_norm_clips_the_gradient():
    free = collect("lstm_ppo", max_grad_norm=1e9, **ONE_STEP)
    gradient = gradient_of_first_step(free)
    norm = float(gradient.norm())
    assert free.diagnostics["train/grad_norm"] == pytest.approx(norm, rel=1e-4)
    clipped = collect("lstm_ppo", max_grad_norm=norm / 7, **ONE_STEP)
    torch.testing.assert_close(gradient_of_first_step(clipped), gradient / 7, atol=1e-5, rtol=1e-4)
    assert clipped.diagnostics["train/grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_loss_is_the_weighted_sum_of_its_terms():
    model = collect("lstm_ppo", value_coef=0.7, entropy_start=0.03, entropy_end=0.03)
    loss = model.train_step()
    d = model.diagnostics
    expected = (d["train/policy_gradient_loss"] + 0.7 * d["train/value_loss"]) + 0.03 * d[
        "train/entropy_loss"
    ]
    assert loss == pytest.approx(expected, rel=1e-5)
    assert -math.log(6) < d["train/entropy_loss"] < 0


def number_of_steps(model):
    return {int(state["step"]) for state in model.optimizer.state.values()}


@pytest.mark.parametrize(
    ("target_kl", "passes"), [(None, 5), (1e9, 5), (1e-9, 1)], ids=["none", "high", "low"]
)
def test_target_kl_limits_the_number_of_passes(target_kl, passes):
    model = collect("lstm_ppo", n_epochs=5, batch_size=13, learning_rate=1e-2, target_kl=target_kl)
    model.train_step()
    assert number_of_steps(model) == {passes * 2}  # 29 steps are 2 minibatches of about 13


def targets_of(model):
    """Return the targets of all steps of a model's rollout."""
    batch, _ = model.learner._prepare(model.memory.arrays())
    return batch.targets_at(torch.arange(len(model.memory)))


def test_targets_of_steps_are_those_of_the_rollout():
    model = collect("lstm_ppo")
    arrays = model.memory.arrays()
    batch, returns = model.learner._prepare(arrays)
    steps = [3, 0, 17]
    targets = batch.targets_at(torch.tensor(steps))
    assert targets.old_log_probs.tolist() == arrays.log_probs[steps].tolist()
    assert targets.old_values.tolist() == arrays.values[steps].tolist()
    assert targets.returns.tolist() == returns[steps].tolist()


def test_normalize_advantage_normalises_over_the_rollout():
    model = collect("lstm_ppo", normalize_advantage=True)
    _, returns = model.learner._prepare(model.memory.arrays())
    targets = targets_of(model)
    assert targets.advantages.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert targets.advantages.std(correction=0).item() == pytest.approx(1.0, abs=1e-5)
    raw = targets_of(collect("lstm_ppo", normalize_advantage=False))
    torch.testing.assert_close(targets.returns, raw.returns)
    torch.testing.assert_close(raw.returns, raw.advantages + raw.old_values)
    assert returns.tolist() == targets.returns.tolist()


def test_normalize_advantage_leaves_a_single_step_unchanged():
    model = small_model("lstm_ppo", normalize_advantage=True, rollout_length=1, sequence_length=1)
    play(model, 1, dones=[0])
    expected = model.memory.rewards[0] - model.memory.values[0]
    assert targets_of(model).advantages.tolist() == pytest.approx([expected])


@pytest.mark.parametrize("epoch_end", ["truncation", "terminal"])
def test_epoch_end_sets_the_value_after_the_last_step(epoch_end):
    model = small_model("lstm_ppo", epoch_end=epoch_end, normalize_advantage=False, gamma=0.5)
    play(model, 3)
    model.end_epoch_action(epoch=0)
    play(model, 3, dones=[2])
    rewards, values = model.memory.rewards, model.memory.values
    advantages = targets_of(model).advantages
    following = values[2] if epoch_end == "truncation" else 0.0
    assert advantages[2].item() == pytest.approx(rewards[2] + 0.5 * following - values[2], abs=1e-6)
    assert advantages[5].item() == pytest.approx(rewards[5] - values[5], abs=1e-6)


@both
@pytest.mark.parametrize(
    "settings",
    [
        {"rollout_length": 1, "sequence_length": 1, "batch_size": 1},
        {"rollout_length": 2, "sequence_length": 2, "batch_size": 1},
        {"rollout_length": 3, "sequence_length": 1, "batch_size": 1000},
    ],
    ids=["1", "2", "3"],
)
@pytest.mark.parametrize("reward", [0.0, 1.0, 1e6, -1e-6])
def test_update_of_tiny_rollouts_with_extreme_rewards_is_finite(name, settings, reward):
    model = small_model(name, **settings)
    for t in range(settings["rollout_length"]):
        model.take_action(np.ones(7))
        model.add_memory_ppo(reward, t % 2 == 1)
    assert np.isfinite(model.train_step())
    assert model.n_updates == 1
    assert all(value.isfinite().all() for value in weights(model).values())
