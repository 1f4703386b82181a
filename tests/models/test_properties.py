"""Property tests of updates, sequences, checkpoints and settings, for random shapes and sizes."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.learning.sequences import (
    burn_in_starts,
    cut_sequences,
    fill_minibatches,
    pad_sequences,
)
from support.fuzzing import STRANGE, fingerprint
from support.plain_rules import plain_branches, plain_step
from support.small_models import MODELS, play, same_weights, small_model, strengthen_policy, weights

both = pytest.mark.parametrize("name", MODELS)


def examples(n: int) -> settings:
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@dataclass(frozen=True)
class Case:
    """The shape and settings of a model, and the length and the ends of its episodes."""

    input_size: tuple[int, ...]
    action_dims: tuple[int, ...]
    changes: dict[str, Any]
    n_steps: int
    dones: frozenset[int]

    def model(self, name: str, **changes: Any) -> Any:
        given = {**self.changes, "action_dims": list(self.action_dims), **changes}
        return small_model(name, self.input_size, math.prod(self.action_dims), **given)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(st.sampled_from([(1,), (5,), (2, 3), (1, 1, 1), (2, 3, 2), (9,)]))
    n_steps = draw(st.integers(1, 12))
    layer_norm = draw(st.booleans())
    changes: dict[str, Any] = {
        "obs_dim": [2, 2, 2] if shape == (9,) else None,
        "hidden_size": draw(st.integers(1, 4)),
        # Normalising one value gives 0, two give 1 and -1: their gradients are rounding errors.
        "layer_size": draw(st.integers(3 if layer_norm else 1, 5)),
        "layer_norm": layer_norm,
        "previous_action_reward": draw(st.booleans()),
        "rollout_length": n_steps,
        "sequence_length": draw(st.integers(1, n_steps)),
        "burn_in": draw(st.integers(0, 4)),
        "batch_size": draw(st.integers(1, 15)),
        "n_epochs": draw(st.integers(1, 2)),
        "clip_range_vf": draw(st.sampled_from([None, 0.1])),
        "epoch_end": draw(st.sampled_from(["truncation", "terminal"])),
        "normalize_advantage": draw(st.booleans()),
        "reward_scaling": False,
        "gamma": draw(st.sampled_from([0.0, 0.9, 1.0])),
        "gae_lambda": draw(st.sampled_from([0.0, 0.8, 1.0])),
        "entropy_end": 0.01,
    }
    dims = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    dones = draw(st.frozensets(st.integers(0, n_steps - 1)))
    return Case(shape, tuple(dims), changes, n_steps, dones)


def plain_advantages(model: Any) -> tuple[list[float], list[float]]:
    """Return advantages and returns, as forward sums of one-step errors."""
    memory, chosen = model.memory, model.settings
    n = len(memory)
    ends = [bool(memory.episode_ends[t]) or t == n - 1 for t in range(n)]
    values = memory.values[:n].tolist()
    errors = []
    for t in range(n):
        following = values[t] if ends[t] and chosen.epoch_end == "truncation" else 0.0
        following = 0.0 if memory.dones[t] else following if ends[t] else values[t + 1]
        errors.append(float(memory.rewards[t]) + chosen.gamma * following - values[t])
    advantages = []
    for t in range(n):
        total, weight = 0.0, 1.0
        for k in range(t, n):
            total += weight * errors[k]
            weight *= chosen.gamma * chosen.gae_lambda
            if ends[k]:
                break
        advantages.append(total)
    returns = [advantage + value for advantage, value in zip(advantages, values, strict=True)]
    if chosen.normalize_advantage and n > 1:
        mean, deviation = np.mean(advantages), np.std(advantages)
        advantages = [float((a - mean) / (deviation + 1e-8)) for a in advantages]
    return advantages, returns


def plain_update(model: Any) -> dict[str, torch.Tensor]:
    """Return the weights after an update on a copy of the policy, computed step by step."""
    memory, chosen = model.memory, model.settings
    n, policy, rng = len(memory), copy.deepcopy(model.policy), copy.deepcopy(model.learner.rng)
    inputs = np.concatenate((memory.states[:n].reshape(n, -1), memory.context[:n]), axis=1)
    advantages, returns = plain_advantages(model)
    old_log_probs = memory.log_probs[:n].astype(np.float64).sum(axis=1).tolist()
    adam = torch.optim.Adam(policy.parameters(), lr=chosen.learning_rate, eps=1e-5)
    starts, lengths = cut_sequences(memory.episode_starts[:n], chosen.sequence_length)

    def starting_state(start: int) -> torch.Tensor:
        first = start
        while 0 < first > start - chosen.burn_in and not memory.episode_starts[first]:
            first -= 1
        flat_state = torch.from_numpy(memory.recurrent_states[first].copy())
        with torch.no_grad():
            for t in range(first, start):
                flat_state = plain_step(policy, inputs[t], flat_state)[2]
        return flat_state

    def loss_of_step(t: int, logits: list[torch.Tensor], value: torch.Tensor) -> torch.Tensor:
        log_probs = [part.log_softmax(0) for part in logits]
        branches = plain_branches(int(memory.actions[t]), model.action_dims)
        log_prob = sum(part[k] for part, k in zip(log_probs, branches, strict=True))
        entropy = sum(-(part.exp() * part).sum() for part in log_probs)
        ratio = torch.exp(log_prob - old_log_probs[t])
        clipped = ratio.clamp(1 - chosen.clip_range, 1 + chosen.clip_range)
        error = (value - returns[t]) ** 2
        if chosen.clip_range_vf is not None:
            old = float(memory.values[t])
            near = old + (value - old).clamp(-chosen.clip_range_vf, chosen.clip_range_vf)
            error = torch.maximum(error, (near - returns[t]) ** 2)
        gain = torch.minimum(ratio * advantages[t], clipped * advantages[t])
        divergence = sum(-math.log(len(part)) - part.mean() for part in log_probs)
        loss = chosen.value_coef * error / 2 - gain - chosen.entropy_start * entropy
        return loss + chosen.uniform_kl_coef * divergence

    for _ in range(chosen.n_epochs):
        for group in fill_minibatches(lengths, chosen.batch_size, rng):
            losses = []
            for start, length in zip(starts[group].tolist(), lengths[group].tolist(), strict=True):
                flat_state = starting_state(start)
                for t in range(start, start + length):
                    logits, value, flat_state = plain_step(policy, inputs[t], flat_state)
                    losses.append(loss_of_step(t, logits, value))
            adam.zero_grad()
            torch.stack(losses).mean().backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), chosen.max_grad_norm)
            adam.step()
    return dict(policy.state_dict())


@both
@examples(30)
@given(case=cases())
def test_update_matches_a_loop_over_steps(name: str, case: Case) -> None:
    model = case.model(name, entropy_start=0.01, uniform_kl_coef=0.02)
    strengthen_policy(model, 20.0)
    play(model, case.n_steps, dones=case.dones)
    expected = plain_update(model)
    model.train_step()
    assert (model.n_updates, len(model.memory)) == (1, 0)
    assert all(math.isfinite(value) for value in model.diagnostics.values())
    for key, value in weights(model).items():
        # Adam divides by the size of the gradient, which amplifies rounding errors near zero.
        torch.testing.assert_close(value, expected[key], atol=5e-5, rtol=1e-3)


@examples(60)
@given(
    episode_starts=st.lists(st.booleans(), min_size=1, max_size=31).map(np.array),
    sequence_length=st.integers(1, 11),
    batch_size=st.integers(1, 40),
    burn_in=st.integers(0, 9),
)
def test_minibatches_contain_every_step_once_at_its_position(
    episode_starts: np.ndarray, sequence_length: int, batch_size: int, burn_in: int
) -> None:
    starts, lengths = cut_sequences(episode_starts, sequence_length)
    seen = []
    for group in fill_minibatches(lengths, batch_size, np.random.default_rng(1)):
        grid = pad_sequences(starts[group], lengths[group])
        seen += grid.steps.tolist()
        table = np.full((grid.n_steps, len(group)), -1)
        table.flat[grid.positions] = grid.steps
        for column, start, length in zip(table.T, starts[group], lengths[group], strict=True):
            real = range(start, start + length)
            assert column.tolist() == [*real, *[-1] * (grid.n_steps - length)]
    assert sorted(seen) == list(range(len(episode_starts)))
    first_steps = burn_in_starts(starts, episode_starts, burn_in)
    for first, start in zip(first_steps.tolist(), starts.tolist(), strict=True):
        assert max(0, start - burn_in) <= first <= start
        assert not episode_starts[first + 1 : start + 1].any()
        assert first in (0, start - burn_in) or episode_starts[first]


@examples(20)
@given(case=cases(), n_more=st.integers(0, 8))
def test_loaded_model_continues_like_the_saved_one(
    case: Case, n_more: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("saved") / "model.pt"
    model, other = case.model("lstm_ppo"), case.model("lstm_ppo", seed=99)
    play(model, case.n_steps, dones=case.dones)
    model.train_step()
    play(model, n_more, seed=1)
    model.save(path)
    other.load(path)
    assert fingerprint(other) == fingerprint(model)
    for _ in range(2):
        assert play(other, case.n_steps, seed=2) == play(model, case.n_steps, seed=2)
        assert other.train_step() == model.train_step()
    assert same_weights(weights(other), weights(model))


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=low == 0.0)


SIZES = st.integers(1, 9)
VALID: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("hidden_size", "n_epochs"), st.integers(1, 4)),
    "layer_size": st.none() | SIZES,
    "obs_type": st.sampled_from(["auto", "flattened"]),
    "obs_dim": st.none() | st.just([1, 1, 3]),
    "action_dims": st.sampled_from([None, [4], [2, 2], (4, 1)]),
    **dict.fromkeys(
        ("layer_norm", "previous_action_reward", "normalize_advantage", "reward_scaling"),
        st.booleans(),
    ),
    "rollout_length": st.none() | st.integers(9, 12),
    "sequence_length": SIZES,
    "burn_in": st.integers(0, 9),
    "epoch_end": st.sampled_from(["truncation", "terminal"]),
    **dict.fromkeys(("learning_rate", "clip_range", "max_grad_norm"), numbers(0.0, 0.5)),
    "learning_rate_end_factor": numbers(0.0, 1.0),
    "clip_range_vf": st.none() | numbers(0.0, 0.5),
    "target_kl": st.none() | numbers(0.0, 1.0),
    **dict.fromkeys(("learning_rate_decay_steps", "entropy_decay_steps"), st.integers(1, 10**7)),
    "batch_size": st.integers(1, 40),
    **dict.fromkeys(("gamma", "gae_lambda"), st.floats(0.0, 1.0)),
    **dict.fromkeys(
        ("entropy_start", "entropy_end", "uniform_kl_coef", "value_coef"), st.floats(0.0, 2.0)
    ),
}
configs = st.fixed_dictionaries(VALID)


@both
@examples(30)
@given(config=configs)
def test_valid_settings_build_and_train(name: str, config: dict[str, Any]) -> None:
    model = MODELS[name]((3,), 4, seed=1, **config)
    play(model, config["rollout_length"] or 9, dones=[4])
    assert math.isfinite(model.train_step())
    assert model.n_updates == 1
    assert all(value.isfinite().all() for value in weights(model).values())


@examples(80)
@given(
    config=configs,
    key=st.sampled_from([*VALID, "hiden_size", "", "seed", "device", "epsilon"]),
    value=st.sampled_from([*STRANGE, 0, -0.5, 2.0, [2, 0], (4.0,), object(), np.zeros(2)]),
)
def test_other_settings_raise_config_error_or_build(
    config: dict[str, Any], key: str, value: Any
) -> None:
    given_settings = {"seed": 1, **config, key: value}
    try:
        model = MODELS["lstm_ppo"]((3,), 4, **given_settings)
    except ConfigError as error:
        message = str(error)
    else:
        assert key in VALID or key in ("seed", "device", "epsilon")
        play(model, 3)
        assert len(model.memory) == 3
        return
    assert key in message
