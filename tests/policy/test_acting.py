import copy
import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from sorrel_recurrent_ppo.policy import acting
from sorrel_recurrent_ppo.policy.acting import PolicyStep, sample_branches
from support.small_models import MODELS, OBS_SIZE, play, small_model

both = pytest.mark.parametrize("name", MODELS)


def largest_difference(step, policy, n_steps=200):
    """Follow an episode by ``step`` and by the policy's modules; compare everything."""
    rng = np.random.default_rng(31)
    parameter = next(policy.parameters())
    row = np.zeros(policy.core.state_size, np.float32)
    state = policy.core.state_from_flat(torch.zeros(1, policy.core.state_size).to(parameter))
    worst = 0.0
    for _ in range(n_steps):
        obs = rng.normal(size=policy_input_size(policy)).astype(np.float32)
        logits, value, row = step(obs, row)
        with torch.no_grad():
            distribution, expected_value, state = policy.step(
                torch.from_numpy(obs)[None].to(parameter), state
            )
        worst = max(
            worst,
            np.abs(logits - distribution.logits[0].float().numpy()).max(),
            abs(value - float(expected_value)),
            np.abs(row - policy.core.flatten_state(state)[0].float().numpy()).max(),
        )
    return worst


def policy_input_size(policy):
    encoder = policy.encoder
    if hasattr(encoder, "picture_size"):
        return encoder.picture_size + encoder.output_size - encoder.linear.out_features
    return encoder.linear.in_features


def same(model):
    """Whether the model's own acting path equals its modules."""
    return largest_difference(model._step, model.policy) < 1e-5


def lively(name, **settings):
    """Return a model whose weights are large enough for differences to show.

    And no larger: outputs of many hundreds would be rounded by more than the tolerance.
    """
    model = small_model(name, **settings)
    generator = torch.Generator().manual_seed(23)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 4
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise / math.sqrt(inputs))
    return model


@both
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
@pytest.mark.parametrize("large", [0, math.inf], ids=["row by row", "in blocks"])
def test_the_fast_step_equals_the_modules(name, settings, large, monkeypatch):
    monkeypatch.setattr(acting, "_LARGE", large)
    assert same(lively(name, **settings))


@both
def test_it_follows_an_update(name):
    model = lively(name)
    before = model._step(np.ones(OBS_SIZE, np.float32), model.memory.recurrent_state)
    play(model, 29)
    model.train_step()
    after = model._step(np.ones(OBS_SIZE, np.float32), np.zeros_like(model.memory.recurrent_state))
    assert model.n_updates == 1
    assert (before[0] != after[0]).all()
    assert same(model)


@both
@pytest.mark.parametrize("assign", [False, True])
def test_it_follows_load_state_dict(name, assign):
    model, other = lively(name), small_model(name, seed=41)
    assert same(model)
    model.load_state_dict(copy.deepcopy(other.state_dict()), assign=assign)
    assert same(model)


@both
def test_a_model_with_assigned_weights_goes_on_learning(name):
    model = lively(name)
    model.load_state_dict(copy.deepcopy(lively(name).state_dict()), assign=True)
    before = copy.deepcopy(model.policy.state_dict())
    play(model, 29)
    model.train_step()
    assert all((before[k] != v).any() for k, v in model.policy.state_dict().items())
    assert same(model)


@both
def test_it_follows_load(name, tmp_path):
    model = lively(name)
    small_model(name, seed=41).save(tmp_path / "other.pt")
    assert same(model)
    model.load(tmp_path / "other.pt")
    assert same(model)


@both
def test_a_copy_has_weights_of_its_own(name):
    model = lively(name)
    assert same(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.policy.heads.critic.bias.add_(1.0)
        twin.policy.core.rnn.bias_hh_l0.mul_(2.0)
    assert same(twin)
    assert same(model)
    assert largest_difference(twin._step, model.policy) > 0.5


@both
def test_it_follows_the_weights_to_another_type_and_back(name):
    model = lively(name)
    assert same(model)
    model.to(torch.float64)
    assert same(model)
    model.to(torch.float32)
    assert same(model)
    with torch.no_grad():
        model.policy.heads.critic.bias.add_(1.0)
    assert same(model)


@both
def test_the_path_of_other_devices_equals_the_modules(name):
    model = lively(name)
    assert largest_difference(model._step._torch_step, model.policy) < 1e-6


@both
def test_a_step_changes_neither_its_input_nor_the_state_before_it(name):
    model = lively(name)
    obs, row = np.ones(OBS_SIZE, np.float32), np.ones(model.policy.core.state_size, np.float32)
    model._step(obs, row)
    assert (obs == 1).all()
    assert (row == 1).all()


@both
def test_a_step_leaves_no_graph(name):
    step = PolicyStep(lively(name, obs_dim=[1, 2, 3]).policy)
    row = np.zeros(step.policy.core.state_size, np.float32)
    logits, value, new_row = step(np.ones(OBS_SIZE, np.float32), row)
    assert (type(logits), type(value), type(new_row)) == (np.ndarray, float, np.ndarray)


# --- sampling ---

LOGITS = np.array([0.3, -1.0, 1.2, 0.0, 2.0, -0.5, 0.5, 0.1], np.float32)
DIMS = (3, 5)


def test_samples_have_the_frequencies_of_the_policy():
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


def test_log_probabilities_are_those_of_categoricals():
    rng = np.random.default_rng(3)
    parts = [Categorical(logits=part) for part in torch.from_numpy(LOGITS).split(DIMS)]
    for deterministic in (False, True) * 20:
        choices, log_probs = sample_branches(LOGITS, DIMS, rng, deterministic=deterministic)
        expected = [float(p.log_prob(torch.tensor(c))) for p, c in zip(parts, choices, strict=True)]
        assert log_probs == pytest.approx(expected, abs=1e-6)


def test_the_mode_is_the_most_probable_choice_and_draws_nothing():
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    choices, _ = sample_branches(LOGITS, DIMS, rng, deterministic=True)
    assert choices == [2, 1]
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("deterministic", [False, True])
def test_extreme_logits_neither_warn_nor_overflow(deterministic):
    logits = np.array([1e30, -1e30, 0.0, -1e4, 1e4], np.float32)
    choices, log_probs = sample_branches(
        logits, (3, 2), np.random.default_rng(0), deterministic=deterministic
    )
    assert (choices, log_probs) == ([0, 1], [0.0, 0.0])


def test_a_draw_at_the_very_end_is_still_a_choice():
    class AlmostOne:
        def random(self):
            return math.nextafter(1.0, 0.0)

    choices, _ = sample_branches(np.zeros(7, np.float32), (7,), AlmostOne(), deterministic=False)  # pyright: ignore[reportArgumentType]
    assert choices == [6]


@both
def test_weights_so_large_that_gates_saturate_do_not_warn(name):
    model = lively(name)
    with torch.no_grad():
        for parameter in model.policy.core.parameters():
            parameter.mul_(1e6)
    assert same(model)
