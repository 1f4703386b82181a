"""Acting: single steps by numpy and by PyTorch, and sampling of actions."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from sorrel_recurrent_ppo.policy.acting import PolicyStep, sample_branches
from sorrel_recurrent_ppo.policy.cpu import matvec
from support.small_models import MODELS, OBS_SIZE, play, small_model

models = pytest.mark.parametrize("name", MODELS)


def largest_difference(step, policy, n_steps=200):
    """Return the largest difference between ``step`` and the policy's modules in an episode.

    The cell of the LSTM has no bound: that of states is in proportion to the largest one.
    """
    rng = np.random.default_rng(31)
    parameter = next(policy.parameters())
    flat_state = np.zeros(policy.core.state_size, np.float32)
    state = policy.core.state_from_flat(torch.zeros(1, policy.core.state_size).to(parameter))
    worst = 0.0
    for _ in range(n_steps):
        obs = rng.normal(size=policy_input_size(policy)).astype(np.float32)
        logits, value, flat_state = step(obs, flat_state)
        with torch.no_grad():
            distribution, expected_value, state = policy.step(
                torch.from_numpy(obs)[None].to(parameter), state
            )
        expected_state = policy.core.flatten_state(state)[0].float().numpy()
        scale = max(1.0, np.abs(expected_state).max())
        worst = max(
            worst,
            np.abs(logits - distribution.logits[0].float().numpy()).max(),
            abs(value - float(expected_value)),
            np.abs(flat_state - expected_state).max() / scale,
        )
    return worst


def policy_input_size(policy):
    encoder = policy.encoder
    if hasattr(encoder, "picture_size"):
        return encoder.picture_size + encoder.output_size - encoder.linear.out_features
    return encoder.linear.in_features


def matches_modules(model):
    """Return whether the model's acting path equals its modules up to rounding."""
    return largest_difference(model._step, model.policy) < 1e-5


def model_with_large_weights(name, **settings):
    """Return a model whose weights are large enough for differences to show.

    Even larger weights would give outputs whose rounding exceeds the tolerance.
    """
    model = small_model(name, **settings)
    generator = torch.Generator().manual_seed(23)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 4
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise / math.sqrt(inputs))
    return model


@models
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"layer_norm": True},
        {"obs_dim": [1, 2, 3]},
        {"input_size": (2, 3, 5), "hidden_size": 7},
        {"layer_size": 3, "hidden_size": 13},
    ],
    ids=["flat", "layer_norm", "picture and scalar", "picture", "sizes"],
)
@pytest.mark.parametrize("method", ["vecdot", "dot"])
def test_policy_step_matches_modules(name, settings, method, monkeypatch):
    monkeypatch.setattr(matvec, "_LARGE_BYTES", 0)
    monkeypatch.setattr(matvec, "_chosen", method)
    assert matches_modules(model_with_large_weights(name, **settings))


def test_policy_step_uses_weights_of_last_update():
    model = model_with_large_weights("lstm_ppo")
    before = model._step(np.ones(OBS_SIZE, np.float32), model.memory.recurrent_state)
    play(model, 29)
    model.train_step()
    after = model._step(np.ones(OBS_SIZE, np.float32), np.zeros_like(model.memory.recurrent_state))
    assert model.n_updates == 1
    assert (before[0] != after[0]).all()
    assert matches_modules(model)


@pytest.mark.parametrize("assign", [False, True])
def test_policy_step_uses_loaded_state_dict(assign):
    model, other = model_with_large_weights("lstm_ppo"), small_model("lstm_ppo", seed=41)
    assert matches_modules(model)
    model.load_state_dict(copy.deepcopy(other.state_dict()), assign=assign)
    assert matches_modules(model)


def test_update_trains_assigned_weights():
    model, other = model_with_large_weights("lstm_ppo"), model_with_large_weights("lstm_ppo")
    model.load_state_dict(copy.deepcopy(other.state_dict()), assign=True)
    before = copy.deepcopy(model.policy.state_dict())
    play(model, 29)
    model.train_step()
    assert all((before[k] != v).any() for k, v in model.policy.state_dict().items())
    assert matches_modules(model)


def test_policy_step_uses_loaded_checkpoint(tmp_path):
    model = model_with_large_weights("lstm_ppo")
    small_model("lstm_ppo", seed=41).save(tmp_path / "other.pt")
    assert matches_modules(model)
    model.load(tmp_path / "other.pt")
    assert matches_modules(model)


def test_copied_policy_step_uses_copied_weights():
    model = model_with_large_weights("lstm_ppo")
    assert matches_modules(model)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        copied.policy.heads.critic.bias.add_(1.0)
        copied.policy.core.rnn.bias_hh_l0.mul_(2.0)
    assert matches_modules(copied)
    assert matches_modules(model)
    assert largest_difference(copied._step, model.policy) > 0.5


def test_policy_step_follows_change_of_dtype():
    model = model_with_large_weights("lstm_ppo")
    assert matches_modules(model)
    model.to(torch.float64)
    assert matches_modules(model)
    model.to(torch.float32)
    assert matches_modules(model)
    with torch.no_grad():
        model.policy.heads.critic.bias.add_(1.0)
    assert matches_modules(model)


def test_policy_step_follows_change_of_memory_format():
    model = small_model("lstm_ppo", input_size=(2, 3, 5))
    assert matches_modules(model)
    model.to(memory_format=torch.channels_last)
    assert not model.policy.encoder.conv1.weight.is_contiguous()
    assert matches_modules(model)


@models
def test_torch_step_matches_modules(name):
    model = model_with_large_weights(name)
    assert largest_difference(model._step._torch_step, model.policy) < 1e-6


@models
def test_policy_step_leaves_its_arguments_unchanged(name):
    model = model_with_large_weights(name)
    obs = np.ones(OBS_SIZE, np.float32)
    flat_state = np.ones(model.policy.core.state_size, np.float32)
    model._step(obs, flat_state)
    assert (obs == 1).all()
    assert (flat_state == 1).all()


def test_policy_step_returns_arrays_without_autograd():
    step = PolicyStep(model_with_large_weights("lstm_ppo", obs_dim=[1, 2, 3]).policy)
    flat_state = np.zeros(step.policy.core.state_size, np.float32)
    logits, value, next_flat_state = step(np.ones(OBS_SIZE, np.float32), flat_state)
    assert (type(logits), type(value), type(next_flat_state)) == (np.ndarray, float, np.ndarray)


@models
def test_policy_step_with_saturated_gates_does_not_warn(name):
    model = model_with_large_weights(name)
    with torch.no_grad():
        for parameter in model.policy.core.parameters():
            parameter.mul_(1e6)
    assert matches_modules(model)


# --- sample_branches ---

LOGITS = np.array([0.3, -1.0, 1.2, 0.0, 2.0, -0.5, 0.5, 0.1], np.float32)
DIMS = (3, 5)


def test_sample_branches_has_the_frequencies_of_the_policy():
    rng, n = np.random.default_rng(3), 20_000
    counts = np.zeros(DIMS)
    for _ in range(n):
        choices, _ = sample_branches(LOGITS, DIMS, rng, deterministic=False)
        counts[tuple(choices)] += 1
    parts = [Categorical(logits=p).probs.numpy() for p in torch.from_numpy(LOGITS).split(DIMS)]
    expected = np.outer(*parts)  # independent branches
    expected *= n
    # The 99th percentile of chi-square with 3 * 5 - 1 = 14 degrees of freedom is 29.14.
    assert ((counts - expected) ** 2 / expected).sum() < 29.14


def test_sample_branches_log_probs_match_categoricals():
    rng = np.random.default_rng(3)
    parts = [Categorical(logits=part) for part in torch.from_numpy(LOGITS).split(DIMS)]
    for deterministic in (False, True) * 20:
        choices, log_probs = sample_branches(LOGITS, DIMS, rng, deterministic=deterministic)
        expected = [float(p.log_prob(torch.tensor(c))) for p, c in zip(parts, choices, strict=True)]
        assert log_probs == pytest.approx(expected, abs=1e-6)


def test_sample_branches_deterministic_takes_the_mode_without_drawing():
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    choices, _ = sample_branches(LOGITS, DIMS, rng, deterministic=True)
    assert choices == [2, 1]
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("deterministic", [False, True])
def test_sample_branches_with_extreme_logits_does_not_overflow(deterministic):
    logits = np.array([1e30, -1e30, 0.0, -1e4, 1e4], np.float32)
    choices, log_probs = sample_branches(
        logits, (3, 2), np.random.default_rng(0), deterministic=deterministic
    )
    assert (choices, log_probs) == ([0, 1], [0.0, 0.0])


def test_sample_branches_accepts_a_draw_next_to_one():
    class AlmostOne:
        def random(self):
            return math.nextafter(1.0, 0.0)

    choices, _ = sample_branches(np.zeros(7, np.float32), (7,), AlmostOne(), deterministic=False)  # pyright: ignore[reportArgumentType]
    assert choices == [6]
