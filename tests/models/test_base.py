"""The models behind Sorrel's interface: construction, acting, collecting, copying."""

import copy
import gc
import math

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.errors import ConfigError
from support.small_models import (
    MODELS,
    OBS_SIZE,
    play,
    same_weights,
    small_model,
    strengthen_policy,
    training_snapshot,
    weights,
)

both = pytest.mark.parametrize("name", MODELS)
OBS = np.linspace(-1, 1, OBS_SIZE, dtype=np.float32)


# --- construction ---


def test_constructor_takes_sorrels_arguments_by_position():
    model = MODELS["lstm_ppo"]((OBS_SIZE,), 5, 13, 0.25, "cpu", 3, hidden_size=7, sequence_length=2)
    assert (tuple(model.input_size), model.action_space, model.layer_size) == ((OBS_SIZE,), 5, 13)
    assert (model.epsilon, model.seed, str(model.device)) == (0.25, 3, "cpu")
    assert model.policy.encoder.output_size == 13
    assert model.settings.layer_size == 13


def test_layer_size_defaults_to_the_hidden_size():
    model = small_model("lstm_ppo", layer_size=None, hidden_size=13)
    assert (model.layer_size, model.policy.encoder.output_size) == (13, 13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hiden_size": 5}, "has no parameter 'hiden_size'. Did you mean 'hidden_size'"),
        ({"clip_range": 0.0}, "clip_range must be a number above 0.0"),
        ({"action_dims": [5, 2]}, r"action_dims=\[5, 2\] make 10 joint actions.* has 6"),
        ({"action_space": 0, "action_dims": None}, "action_space must be an integer"),
        ({"action_space": 2.0, "action_dims": None}, "action_space must be an integer"),
        ({"layer_size": -1}, "layer_size must be an integer of at least 1"),
        ({"obs_type": "image"}, "does not determine the picture's shape"),
        ({"obs_dim": [1, 3, 3]}, r"has 9 values, but input_size=\[7\] has only 7"),
        ({"device": "warp"}, "device 'warp' is not available"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"seed": 2**64}, "seed must be an integer of at least 0 and at most 18446744073709551615"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"device": "meta"}, "device 'meta' is not available"),
        ({"device": None}, "device 'None' is not available"),
        ({"epsilon": None}, "epsilon must be a number at least 0.0 and at most 1.0, not None"),
        ({"epsilon": math.nan}, "epsilon must be a number"),
        ({"epsilon": 3}, "epsilon must be a number"),
        ({"input_size": 7.5}, "input_size must be the shape of an observation.* not 7.5"),
        ({"input_size": True}, "input_size must be the shape of an observation"),
        ({"input_size": None}, "input_size must be the shape of an observation"),
        ({"input_size": "7"}, "input_size must be the shape of an observation"),
        ({"input_size": ("a",)}, "input_size must be the shape of an observation"),
        ({"input_size": ()}, r"input_size=\[\] describes an empty observation"),
        ({"input_size": 10**12}, r"for input_size=\[1000000000000\] cannot be built"),
        ({"input_size": 10**19}, "cannot be built: .*Overflow"),
        ({"hidden_size": 10**13}, "a model of hidden_size=10000000000000 .* cannot be built"),
        ({"action_dims": []}, r"action_dims must be a list of integers, not \[\]"),
    ],
)
def test_constructor_rejects_invalid_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        small_model("lstm_ppo", **arguments)


@pytest.mark.parametrize("input_size", [(2, 3, 5), [2, 3, 5]])
def test_pictures_are_encoded_by_convolutions(input_size):
    model = small_model("lstm_ppo", input_size=input_size)
    assert model.layout.picture == (2, 3, 5)
    assert model.policy.encoder.conv1.in_channels == 2


@both
@pytest.mark.parametrize("previous_action_reward", [False, True])
def test_every_input_affects_the_policy(name, previous_action_reward):
    model = small_model(
        name,
        input_size=(33,),
        obs_dim=[2, 3, 5],
        layer_size=37,
        previous_action_reward=previous_action_reward,
    )
    size = 33 + model._context_size
    flat_state = np.zeros(model.policy.core.state_size, np.float32)
    inputs = np.random.default_rng(2).normal(size=size).astype(np.float32)
    logits, value, _ = model._step(inputs, flat_state)
    for position in range(size):
        changed = inputs.copy()
        changed[position] += 1.0
        other_logits, other_value, _ = model._step(changed, flat_state)
        assert (other_logits != logits).any(), position
        assert other_value != value, position


def test_moving_to_the_meta_device_is_rejected():
    model, twin = small_model("lstm_ppo"), small_model("lstm_ppo")
    model.agent_name = "agent 5"
    with pytest.raises(ConfigError, match=r"^agent 5 cannot be moved to device 'meta'"):
        model.to("meta")
    assert play(model.float().cpu(), 29) == play(twin, 29)


def test_learning_requires_single_precision():
    model = small_model("lstm_ppo")
    model.agent_name = "agent 5"
    play(model, 29)
    with pytest.raises(TypeError, match=r"^agent 5: expected weights in torch.float32"):
        model.half().train_step()
    assert len(model.memory) == 29


# --- acting ---


@both
def test_actions_are_plain_ints_of_the_action_space(name):
    model = small_model(name)
    actions, _ = play(model, 60)
    assert {type(action) for action in actions} == {int}
    assert set(actions) == set(range(6))


def test_take_action_accepts_observations_of_any_shape():
    taken = set()
    for state in (OBS, OBS[None], OBS[:, None], OBS.astype(np.float64), OBS.tolist()):
        model = small_model("lstm_ppo")
        taken.add((model.take_action(state), model.memory.pending.value))
    assert len(taken) == 1


@both
def test_stored_log_probs_and_values_are_those_of_the_policy(name):
    model = small_model(name)
    strengthen_policy(model)
    play(model, 29, dones=[5])
    batch = model._prepare_batch()
    obs, memory = batch[0], model.memory
    for t in range(29):
        flat_state = torch.from_numpy(memory.recurrent_states[t])[None]
        distribution, value, _ = model.policy.step(
            obs[t : t + 1], model.policy.core.state_from_flat(flat_state)
        )
        branches = np.unravel_index(memory.actions[t], model.action_dims)
        log_prob, _ = distribution.log_prob_and_entropy(torch.tensor([branches]))
        assert log_prob.item() == pytest.approx(float(memory.log_probs[t].sum()), abs=1e-5)
        assert value.item() == pytest.approx(float(memory.values[t]), abs=1e-5)


@both
def test_acting_builds_no_graph(name):
    model = small_model(name, input_size=(2, 3, 5))
    play(model, 7)
    gc.collect()
    graphs = [o for o in gc.get_objects() if type(o) is torch.Tensor and o.grad_fn is not None]
    assert graphs == []
    assert all(parameter.grad is None for parameter in model.policy.parameters())


def test_first_action_of_an_epoch_is_independent_of_the_previous_epoch():
    fresh, lived = (small_model("lstm_ppo") for _ in range(2))
    play(lived, 7)
    lived.end_epoch_action(epoch=0)
    lived.start_epoch_action(epoch=1)
    for model in (fresh, lived):
        model.take_action(OBS)
    assert fresh.memory.pending.value == lived.memory.pending.value


@pytest.mark.parametrize("way", ["done", "start_epoch_action", "end_epoch_action", "reset"])
def test_state_resets_between_episodes(way):
    model = small_model("lstm_ppo")
    play(model, 7, dones=[6] if way == "done" else [])
    if way != "done":
        assert model.memory.recurrent_state.any()
        getattr(model, way)()
    assert not model.memory.recurrent_state.any()
    play(model, 2)
    assert not model.memory.recurrent_states[7].any()
    assert model.memory.recurrent_states[8].any()
    assert model.memory.episode_starts[7:9].tolist() == [True, False]
    assert model.memory.episode_ends[6]


@both
def test_previous_action_and_reward_are_inputs_within_an_episode(name):
    model = small_model(name, previous_action_reward=True)
    actions, rewards = play(model, 4, dones=[1])
    context = model.memory.context[:4]
    size = sum(model.action_dims)
    for t in (0, 2):  # the first steps of both episodes
        assert context[t].tolist() == [0.0] * (size + 1)
    for t in (1, 3):
        branches = np.unravel_index(actions[t - 1], model.action_dims)
        one_hots = [np.eye(n)[k] for k, n in zip(branches, model.action_dims, strict=True)]
        assert context[t, :size].tolist() == np.concatenate(one_hots).tolist()
        reward = rewards[t - 1]
        expected = math.copysign(math.log(1 + abs(reward)), reward)
        assert context[t, size] == pytest.approx(expected, rel=1e-6)


def test_take_action_twice_while_collecting_raises():
    model = small_model("lstm_ppo")
    model.agent_name = "agent 5"
    action = model.take_action(OBS)
    pending = model.memory.pending
    with pytest.raises(RuntimeError, match=r"^agent 5: take_action was called again"):
        model.take_action(OBS)
    assert model.memory.pending is pending
    model.memory.add(OBS, action, 1.0, False)
    assert len(model.memory) == 1


@pytest.mark.parametrize("state", [np.zeros(3), np.full(OBS_SIZE, np.nan)], ids=["size", "nan"])
def test_take_action_with_an_invalid_observation_changes_nothing(state):
    model, twin = small_model("lstm_ppo"), small_model("lstm_ppo")
    for one in (model, twin):
        play(one, 3)
    with pytest.raises(ValueError, match=r"RecurrentPPOLSTM \(unnamed agent\): "):
        model.take_action(state)
    assert play(model, 5) == play(twin, 5)


def test_take_action_raises_if_the_output_is_not_finite():
    model = small_model("lstm_ppo")
    with torch.no_grad():
        model.policy.heads.actor.bias[0] = math.nan
    with pytest.raises(FloatingPointError, match="output is not finite"):
        model.take_action(OBS)
    assert model.memory.pending is None


@both
def test_deterministic_takes_the_most_probable_action(name):
    model = small_model(name)
    strengthen_policy(model)
    probabilities = torch.ones(())
    logits, _, _ = model._step(OBS, model.memory.recurrent_state)
    for part in torch.from_numpy(logits).split(model.action_dims):
        probabilities = torch.outer(probabilities.flatten(), part.softmax(0)).flatten()
    mode = int(probabilities.argmax())

    def taken(**arguments):
        seen = set()
        for _ in range(40):
            seen.add(model.take_action(OBS, **arguments))
            model.add_memory_ppo(0.0, True)
        return seen

    assert len(taken()) > 1
    assert taken(deterministic=True) == {mode}
    model.deterministic = True
    assert taken() == {mode}
    assert len(taken(deterministic=False)) > 1


def test_model_acts_before_the_first_epoch_starts():
    model, started = small_model("lstm_ppo"), small_model("lstm_ppo")
    started.start_epoch_action(epoch=0)
    assert play(model, 9) == play(started, 9)


# --- collecting over epochs ---


@both
def test_train_step_waits_for_a_full_rollout_over_several_epochs(name):
    model = small_model(name)  # a rollout is 29 steps
    before = weights(model)
    for epoch in range(3):
        model.start_epoch_action(epoch=epoch)
        play(model, 11, seed=epoch)
        model.end_epoch_action(epoch=epoch)
        if epoch < 2:
            assert model.train_step() == 0.0
            assert same_weights(weights(model), before)
            assert (len(model.memory), model.n_updates) == (11 * (epoch + 1), 0)
    assert model.memory.episode_starts[:33].tolist() == [t % 11 == 0 for t in range(33)]
    assert model.memory.episode_ends[:33].tolist() == [t % 11 == 10 for t in range(33)]
    assert model.memory.dones[:33].tolist() == [0.0] * 33
    loss = model.train_step()
    assert isinstance(loss, np.ndarray)
    assert loss != 0.0
    assert all((before[key] != value).any() for key, value in weights(model).items())
    assert (len(model.memory), model.n_updates, model.num_timesteps) == (0, 1, 33)
    play(model, 2)
    assert model.num_timesteps == 35


@both
def test_update_within_an_episode_keeps_its_position_and_pending_step(name):
    model = small_model(name, previous_action_reward=True)
    play(model, 29)
    action = model.take_action(OBS)
    pending, memory = model.memory.pending, model.memory
    assert model.train_step() != 0.0
    assert (len(memory), memory.pending) == (0, pending)
    memory.add(OBS, action, 2.0, False)
    assert len(memory) == 1
    # From the weights before the update, the denominator of the ratio.
    assert memory.log_probs[0].tolist() == np.float32(pending.log_probs).tolist()
    assert memory.values[0] == np.float32(pending.value)
    assert memory.recurrent_states[0].tolist() == pending.recurrent_state.tolist()
    assert pending.recurrent_state.any()
    assert memory.recurrent_state is pending.next_recurrent_state
    assert not memory.episode_starts[0]
    assert (memory.last_action, memory.last_reward) == (action, 2.0)
    play(model, 28)
    assert not memory.episode_starts[:29].any()
    assert model.train_step() != 0.0
    assert model.num_timesteps == 58


def test_epoch_aborted_between_action_and_reward_is_logged_and_discarded(caplog):
    model = small_model("lstm_ppo")
    model.agent_name = "agent 5"
    play(model, 3)
    model.take_action(OBS)
    model.start_epoch_action(epoch=1)
    assert "agent 5: the epoch was aborted" in caplog.text
    assert (len(model.memory), model.memory.pending) == (3, None)
    assert model.memory.episode_ends[2]
    play(model, 1)
    assert model.memory.episode_starts[3]


# --- copies ---


@both
def test_copy_is_independent_of_the_original(name):
    model = small_model(name)
    play(model, 29)
    model.train_step()
    play(model, 5)
    twin, before = copy.deepcopy(model), training_snapshot(model)
    weights_before = weights(model)
    taken = play(twin, 24)
    twin.train_step()
    assert twin.n_updates == 2
    assert not same_weights(weights(twin), weights_before)
    np.testing.assert_equal(training_snapshot(model), before)
    assert same_weights(weights(model), weights_before)
    assert play(model, 24) == taken
    model.train_step()
    assert same_weights(weights(model), weights(twin))
