"""The reference API: names and shapes of states, batches and transitions."""

import numpy as np
import pytest
import torch
from sorrel.models.pytorch.pytorch_base import PyTorchModel
from torch import nn

from support.small_models import MODELS, OBS_SIZE, play, small_model, strengthen_policy

both = pytest.mark.parametrize("name", MODELS)
H = 5
OBS = np.linspace(-1, 1, OBS_SIZE, dtype=np.float32)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def shapes(state):
    return [tuple(part.shape) for part in parts(state)]


def n_parts(name):
    return 1 if name == "gru_ppo" else 2


def assert_states_equal(one, other):
    assert type(one) is type(other)
    for a, b in zip(parts(one), parts(other), strict=True):
        torch.testing.assert_close(a, b)


@both
def test_models_are_sorrel_models_with_their_recurrent_layer(name):
    model = small_model(name)
    assert issubclass(MODELS[name], PyTorchModel)
    assert type(model.policy.core.rnn) is (nn.GRU if name == "gru_ppo" else nn.LSTM)
    assert model.action_space == 6
    assert model.hidden_size == H
    assert small_model(name, hidden_size=7).settings.hidden_size == 7


@both
def test_default_hidden_size_is_that_of_the_specification(name):
    model = MODELS[name]((OBS_SIZE,), 6, seed=1)
    assert shapes(model._get_hidden_state()) == [(1, 1, 256)] * n_parts(name)


@both
def test_initial_state_is_none_and_reads_as_zeros(name):
    model = small_model(name)
    assert model._current_hidden is None
    assert model._pending_hidden is None
    state = model._get_hidden_state()
    assert isinstance(state, torch.Tensor if name == "gru_ppo" else tuple)
    assert shapes(state) == [(1, 1, H)] * n_parts(name)
    assert not any(part.any() for part in parts(state))


@both
def test_take_action_updates_the_current_and_the_pending_state(name):
    model = small_model(name)
    model.take_action(OBS)
    first = model._current_hidden
    assert shapes(first) == shapes(model._pending_hidden) == [(1, 1, H)] * n_parts(name)
    assert all(part.any() for part in parts(first))
    assert not any(part.any() for part in parts(model._pending_hidden))
    model.add_memory_ppo(1.0, False)
    assert model._pending_hidden is None
    assert_states_equal(model._current_hidden, first)
    model.take_action(OBS)
    assert_states_equal(model._pending_hidden, first)
    assert not any(part.requires_grad for part in parts(model._current_hidden))


@both
def test_forward_base_matches_acting(name):
    model = small_model(name)
    play(model, 3)
    before = model._get_hidden_state()
    model.take_action(OBS)
    features, after = model._forward_base(torch.from_numpy(OBS)[None], before)
    assert features.shape == (1, H)
    assert_states_equal(after, model._current_hidden)
    torch.testing.assert_close(features, parts(after)[0][0])


@both
@pytest.mark.parametrize("input_size", [(2, 3, 5), (OBS_SIZE,)])
def test_forward_base_accepts_batches_of_pictures_and_vectors(name, input_size):
    model = small_model(name, input_size=input_size)
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(4, *input_size, generator=generator)
    hidden = tuple(torch.randn(1, 4, H, generator=generator) for _ in range(n_parts(name)))
    features, after = model._forward_base(states, hidden if name == "lstm_ppo" else hidden[0])
    assert features.shape == (4, H)
    assert shapes(after) == [(1, 4, H)] * n_parts(name)
    for b in range(4):
        alone = tuple(part[:, b : b + 1] for part in hidden)
        one, _ = model._forward_base(states[b : b + 1], alone if name == "lstm_ppo" else alone[0])
        torch.testing.assert_close(one, features[b : b + 1])


def test_forward_base_rejects_another_size():
    model = small_model("lstm_ppo")
    with pytest.raises(ValueError, match="the state has 6 values, expected 7"):
        model._forward_base(torch.zeros(1, 6), model._get_hidden_state())


@both
def test_update_hidden_state_sets_the_state_before_the_next_action(name):
    model = small_model(name)
    play(model, 2)
    own = tuple(torch.full((1, 1, H), 0.5 + k) for k in range(n_parts(name)))
    state = own if name == "lstm_ppo" else own[0]
    model._update_hidden_state(state)
    assert_states_equal(model._current_hidden, state)
    model.take_action(OBS)
    assert_states_equal(model._pending_hidden, state)


@both
def test_setting_the_state_to_none_resets_it(name):
    model = small_model(name)
    play(model, 2)
    model._current_hidden = None
    assert model._current_hidden is None
    model.take_action(OBS)
    assert not any(part.any() for part in parts(model._pending_hidden))


@both
def test_reset_between_action_and_reward_affects_the_next_step(name):
    model = small_model(name)
    play(model, 2)
    model.take_action(OBS)
    model._current_hidden = None
    model.add_memory_ppo(1.0, False)
    play(model, 1)
    assert not model.memory.recurrent_states[3].any()
    assert model.memory.episode_starts[:4].tolist() == [True, False, False, True]


def test_start_and_end_of_an_epoch_reset_the_state():
    model = small_model("lstm_ppo")
    play(model, 2)
    model.end_epoch_action(epoch=0)
    assert model._current_hidden is None
    play(model, 2)
    model.start_epoch_action(epoch=1)
    assert model._current_hidden is None
    assert len(model.memory) == 4


# --- the rollout ---


@both
def test_rollout_memory_states_concatenate(name):
    model = small_model(name)
    play(model, 11, dones=[6])
    states = model.rollout_memory["h_states"]
    if name == "gru_ppo":
        assert torch.cat(states, dim=1).shape == (1, 11, H)
    else:
        hs, cs = zip(*states, strict=True)
        assert torch.cat(hs, dim=1).shape == torch.cat(cs, dim=1).shape == (1, 11, H)
        assert not torch.equal(torch.cat(hs, dim=1), torch.cat(cs, dim=1))
    assert [not parts(state)[0].any() for state in states] == [t in (0, 7) for t in range(11)]


@both
def test_rollout_memory_lists_the_steps(name):
    model = small_model(name)
    actions, rewards = play(model, 5, dones=[2])
    memory = model.rollout_memory
    assert all(len(values) == 5 for values in memory.values())
    assert memory["rewards"] == pytest.approx(rewards)
    assert memory["dones"] == [0, 0, 1, 0, 0]
    assert memory["vals"] == model.memory.values[:5].tolist()
    torch.testing.assert_close(
        torch.stack(memory["states"]), torch.from_numpy(model.memory.states[:5])
    )
    if name == "gru_ppo":
        pairs = zip(memory["actions_move"], memory["actions_vote"], strict=True)
        assert [move * 2 + vote for move, vote in pairs] == actions
        probabilities = zip(memory["probs_move"], memory["probs_vote"], strict=True)
        joint = [a + b for a, b in probabilities]
    else:
        assert memory["actions"] == actions
        joint = memory["log_probs"]
    assert joint == pytest.approx(model.memory.arrays().log_probs.tolist())
    model.clear_memory()
    assert model.rollout_memory["h_states"] == []


def test_prepare_batch_of_the_gru_model():
    model = small_model("gru_ppo", input_size=(2, 3, 5))
    actions, rewards = play(model, 11, dones=[6])
    states, h, moves, votes, probs_move, probs_vote, vals, rewards_, dones = model._prepare_batch()
    assert states.shape == (11, 2, 3, 5)
    assert h.shape == (1, 11, H)
    assert (moves * 2 + votes).tolist() == actions
    assert (probs_move + probs_vote).tolist() == pytest.approx(
        model.memory.arrays().log_probs.tolist()
    )
    assert vals.tolist() == model.memory.values[:11].tolist()
    assert rewards_.tolist() == pytest.approx(rewards)
    assert dones.tolist() == [float(t == 6) for t in range(11)]


def test_prepare_batch_of_the_lstm_model():
    model = small_model("lstm_ppo")
    actions, rewards = play(model, 11, dones=[6])
    states, h, c, actions_, log_probs, vals, rewards_, dones = model._prepare_batch()
    assert states.shape == (11, OBS_SIZE)
    assert h.shape == c.shape == (1, 11, H)
    hs, cs = zip(*model.rollout_memory["h_states"], strict=True)
    assert torch.equal(h, torch.cat(hs, dim=1))
    assert torch.equal(c, torch.cat(cs, dim=1))
    assert actions_.tolist() == actions
    assert log_probs.tolist() == model.rollout_memory["log_probs"]
    assert vals.tolist() == model.memory.values[:11].tolist()
    assert rewards_.tolist() == pytest.approx(rewards)
    assert dones.tolist() == [float(t == 6) for t in range(11)]


@both
def test_prepare_batch_with_three_branches(name):
    model = small_model(name, action_space=30, action_dims=[5, 3, 2])
    actions, taken = [], []
    for _ in range(23):
        actions.append(model.take_action(OBS))
        taken.append(model.last_actions)
        model.add_memory_ppo(0.0, False)
    assert [(a * 3 + b) * 2 + c for a, b, c in taken] == actions
    assert len(set(taken)) > 5
    batch = model._prepare_batch()
    if name == "gru_ppo":
        assert torch.stack(batch[2:5], dim=1).tolist() == [list(t) for t in taken]
        assert model.rollout_memory["actions_branch2"] == [t[2] for t in taken]
    else:
        assert batch[3].tolist() == actions


# --- get_action and store_memory ---


@both
def test_get_action_is_a_step_without_collecting(name):
    model = small_model(name)
    strengthen_policy(model)
    play(model, 2)
    before = model._get_hidden_state()
    action, log_prob, value, state = model.get_action(OBS, before)
    assert len(model.memory) == 2
    assert model.memory.pending is None
    assert_states_equal(model._get_hidden_state(), before)
    features, after = model._forward_base(torch.from_numpy(OBS)[None], before)
    assert_states_equal(state, after)
    distribution, expected_value = model.policy.heads(features)
    branches = torch.tensor([action if name == "gru_ppo" else [action]])
    expected, _ = distribution.log_prob_and_entropy(branches)
    total = sum(log_prob) if name == "gru_ppo" else log_prob
    assert total == pytest.approx(expected.item(), abs=1e-5)
    assert value == pytest.approx(expected_value.item(), abs=1e-5)


@both
def test_get_action_without_a_state_starts_from_zeros(name):
    model = small_model(name)
    play(model, 2)
    zeros = model.policy.core.zero_state(1, "cpu")
    assert_states_equal(model.get_action(OBS)[3], model.get_action(OBS, zeros)[3])


@both
def test_get_action_and_store_memory_match_acting(name):
    """A training loop of the reference API."""
    acting, manual = small_model(name), small_model(name)
    _, rewards = play(acting, 7)
    rng = np.random.default_rng(17)
    hidden = manual._get_hidden_state()
    for reward in rewards:
        obs = rng.normal(size=OBS_SIZE).astype(np.float32)
        rng.normal()  # the reward, as drawn by play
        action, log_prob, value, after = manual.get_action(obs, hidden)
        manual.store_memory(obs, hidden, action, log_prob, value, reward, False)
        hidden = after
    for one, other in zip(manual._prepare_batch(), acting._prepare_batch(), strict=True):
        torch.testing.assert_close(one, other)
    assert manual.memory.episode_starts[:7].tolist() == [t == 0 for t in range(7)]


@both
@pytest.mark.parametrize("pending", [False, True])
def test_replaced_state_starts_a_new_sequence(name, pending):
    model = small_model(name)
    play(model, 4)
    if pending:
        model.take_action(OBS)
    model._update_hidden_state(model._get_hidden_state())  # the same state is no replacement
    other = tuple(torch.full((1, 1, H), 0.5) for _ in range(n_parts(name)))
    other = other if name == "lstm_ppo" else other[0]
    model._update_hidden_state(other)
    assert_states_equal(model._current_hidden, other)
    if pending:
        model.add_memory_ppo(1.0, False)
        assert_states_equal(model._current_hidden, other)
    play(model, 3)
    n = 5 if pending else 4
    assert model.memory.episode_starts[: n + 3].tolist() == [t in (0, n) for t in range(n + 3)]
    assert not model.memory.episode_ends[: n + 3].any()  # the returns are not cut
    assert (model.memory.recurrent_states[n] == 0.5).all()


@both
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: "x", TypeError, "must be a (pair of )?tensors?, not str|must be a"),
        (lambda s: (s, s, s), (TypeError, ValueError), "the recurrent state"),
        (lambda s: tuple(p[..., 1:] for p in s), ValueError, r"has shape .*expected \[1, 1, 5\]"),
        (lambda s: tuple(p * torch.nan for p in s), ValueError, "is not finite"),
    ],
    ids=["type", "parts", "size", "nan"],
)
def test_update_hidden_state_rejects_an_invalid_state(name, change, error, message):
    model = small_model(name)
    model.agent_name = "agent 5"
    play(model, 3)
    state, before = model._get_hidden_state(), model.memory.recurrent_state.copy()
    changed = change(parts(state))
    if name == "gru_ppo" and isinstance(changed, tuple) and len(changed) == 1:
        (changed,) = changed
    with pytest.raises(error, match=f"^agent 5: .*{message}"):
        model._update_hidden_state(changed)
    with pytest.raises(error, match=f"^agent 5: .*{message}"):
        model.get_action(OBS, changed)
    assert model.memory.recurrent_state.tolist() == before.tolist()


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": 6}, "out of bounds|does not fit branches"),
        ({"action": -1}, "out of bounds|does not fit branches"),
        ({"log_prob": float("nan")}, "must be finite"),
        ({"val": float("inf")}, "must be finite"),
        ({"reward": float("nan")}, "reward must be finite"),
        ({"state": OBS[1:]}, "expected 7 values"),
    ],
)
def test_store_memory_rejects_an_invalid_transition(name, change, message):
    model = small_model(name)
    play(model, 3)
    with pytest.raises(ValueError, match=message):
        model.store_memory(**transition(model, **change))
    assert (len(model.memory), model.memory.pending) == (3, None)
    action = model.take_action(OBS)
    with pytest.raises(RuntimeError, match="between an action and its reward"):
        model.store_memory(**transition(model))
    model.memory.add(OBS, action, 1.0, False)
    assert len(model.memory) == 4


def transition(model, *, action=0, log_prob=-1.0, **changes):
    """Return the arguments of `store_memory`, with a valid vote."""
    given = {"state": OBS, "hidden": model._get_hidden_state(), "val": 0.0}
    given |= {"reward": 1.0, "done": False, **changes}
    if model.registry_name == "gru_ppo":
        return {**given, "action": (action, 1), "probs": (log_prob, -1.0)}
    return {**given, "action": action, "log_prob": log_prob}


@both
def test_pending_action_is_kept_during_evaluation(name):
    model = small_model(name)
    assert model._pending_action is None
    action = model.take_action(OBS)
    expected = action if name == "lstm_ppo" else divmod(action, 2)
    assert model._pending_action == expected
    model.eval()
    while model.take_action(-OBS) == action:
        pass  # another action in between
    model.train()
    assert model._pending_action == expected
    model.add_memory_ppo(0.0, False)
    assert model._pending_action is None


def test_get_dual_action_returns_the_latest_move_and_vote():
    model = small_model("gru_ppo")
    assert model.get_dual_action() is None
    action = model.take_action(OBS)
    assert model.last_actions == model.get_dual_action() == divmod(action, 2)


def test_learn_and_train_step_return_the_loss():
    model = small_model("lstm_ppo")
    assert model.learn() == 0.0
    play(model, 7)
    assert isinstance(model.learn(), float)
    assert (model.n_updates, len(model.memory)) == (1, 0)
    loss = model.train_step()
    assert isinstance(loss, np.ndarray)
    assert loss == 0.0


def test_sizes_of_states_and_weights_of_both_cells():
    gru, lstm = (small_model(name).policy.core for name in ("gru_ppo", "lstm_ppo"))
    assert (gru.state_size, lstm.state_size) == (H, 2 * H)
    counts = [sum(p.numel() for p in core.parameters()) for core in (gru, lstm)]
    assert counts[0] * 4 == counts[1] * 3


def test_gru_model_without_action_dims_has_a_single_vote():
    model = small_model("gru_ppo", action_space=5)
    assert model.action_dims == (5, 1)
    assert model.take_action(OBS) == model.last_actions[0]
