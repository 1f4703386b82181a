"""The models behind Sorrel's hooks: building, acting, collecting, evaluating."""

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
    weights,
)

both = pytest.mark.parametrize("name", MODELS)
OBS = np.linspace(-1, 1, OBS_SIZE, dtype=np.float32)


# --- building ---


@both
def test_sorrels_arguments_by_position(name):
    model = MODELS[name]((OBS_SIZE,), 5, 13, 0.25, "cpu", 3, hidden_size=7, sequence_length=2)
    assert (tuple(model.input_size), model.action_space, model.layer_size) == ((OBS_SIZE,), 5, 13)
    assert (model.epsilon, model.seed, str(model.device)) == (0.25, 3, "cpu")
    assert model.policy.encoder.output_size == 13
    assert model.settings.layer_size == 13


@both
def test_the_encoder_is_as_wide_as_the_state_unless_told(name):
    model = small_model(name, layer_size=None, hidden_size=13)
    assert (model.layer_size, model.policy.encoder.output_size) == (13, 13)


@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hiden_size": 5}, "has no parameter 'hiden_size'. Did you mean 'hidden_size'"),
        ({"clip_range": 0.0}, "clip_range must be a number above 0.0"),
        ({"sequence_length": 30}, "sequence_length=30 is longer than rollout_length=29"),
        ({"action_dims": [5, 2]}, r"action_dims=\[5, 2\] make 10 joint actions.* has 6"),
        ({"action_space": 0, "action_dims": None}, "action_space must be an integer"),
        (
            {"action_space": 2.0, "action_dims": None},
            "action_space must be an integer",
        ),
        ({"layer_size": -1}, "layer_size must be an integer of at least 1"),
        ({"obs_type": "image"}, "does not tell the picture's shape"),
        ({"obs_dim": [1, 3, 3]}, r"has 9 values, but the observation input_size=\[7\] only 7"),
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
def test_what_does_not_fit_is_refused(name, arguments, message):
    with pytest.raises(ConfigError, match=message):
        small_model(name, **arguments)


@both
@pytest.mark.parametrize("input_size", [(2, 3, 5), [2, 3, 5]])
def test_pictures_go_through_the_convolutions(name, input_size):
    model = small_model(name, input_size=input_size)
    assert model.layout.picture == (2, 3, 5)
    assert model.policy.encoder.conv1.in_channels == 2


@both
@pytest.mark.parametrize("previous_action_reward", [False, True])
def test_every_number_of_a_picture_and_its_scalars_can_change_the_policy(
    name, previous_action_reward
):
    model = small_model(
        name,
        input_size=(33,),
        obs_dim=[2, 3, 5],
        layer_size=37,
        previous_action_reward=previous_action_reward,
    )
    size = 33 + model._context_size
    row = np.zeros(model.policy.core.state_size, np.float32)
    inputs = np.random.default_rng(2).normal(size=size).astype(np.float32)
    logits, value, _ = model._step(inputs, row)
    for position in range(size):
        changed = inputs.copy()
        changed[position] += 1.0
        other_logits, other_value, _ = model._step(changed, row)
        assert (other_logits != logits).any(), position
        assert other_value != value, position


@both
def test_a_model_is_not_sent_where_there_are_no_numbers(name):
    model, twin = small_model(name), small_model(name)
    model.agent_name = "agent 5"
    with pytest.raises(ConfigError, match=r"^agent 5 cannot go to device 'meta'"):
        model.to("meta")
    assert play(model.float().cpu(), 29) == play(twin, 29)
    with pytest.raises(TypeError, match=r"^agent 5 learns in torch.float32 only"):
        model.half().train_step()
    assert len(model.memory) == 29


# --- acting ---


@both
def test_actions_are_plain_ints_of_the_action_space(name):
    model = small_model(name)
    actions, _ = play(model, 60)
    assert {type(action) for action in actions} == {int}
    assert set(actions) == set(range(6))


@both
def test_observations_of_any_shape_are_the_same_observation(name):
    taken = set()
    for state in (OBS, OBS[None], OBS[:, None], OBS.astype(np.float64), OBS.tolist()):
        model = small_model(name)
        taken.add((model.take_action(state), model.memory.pending.value))
    assert len(taken) == 1


@both
def test_what_is_stored_of_a_step_is_the_policy_that_took_it(name):
    model = small_model(name)
    strengthen_policy(model)
    play(model, 29, dones=[5])
    batch = model._prepare_batch()
    obs, memory = batch[0], model.memory
    for t in range(29):
        row = torch.from_numpy(memory.recurrent_states[t])[None]
        distribution, value, _ = model.policy.step(
            obs[t : t + 1], model.policy.core.state_from_flat(row)
        )
        branches = np.unravel_index(memory.actions[t], model.action_dims)
        log_prob, _ = distribution.log_prob_and_entropy(torch.tensor([branches]))
        assert log_prob.item() == pytest.approx(float(memory.log_probs[t].sum()), abs=1e-5)
        assert value.item() == pytest.approx(float(memory.values[t]), abs=1e-5)


@both
def test_acting_leaves_no_graph(name):
    model = small_model(name, input_size=(2, 3, 5))
    play(model, 7)
    gc.collect()
    graphs = [o for o in gc.get_objects() if type(o) is torch.Tensor and o.grad_fn is not None]
    assert graphs == []
    assert all(parameter.grad is None for parameter in model.policy.parameters())


@both
def test_an_epochs_first_action_knows_nothing_of_the_epoch_before(name):
    fresh, lived = (small_model(name) for _ in range(2))
    play(lived, 7)
    lived.end_epoch_action(epoch=0)
    lived.start_epoch_action(epoch=1)
    for model in (fresh, lived):
        model.take_action(OBS)
    assert fresh.memory.pending.value == lived.memory.pending.value


@both
@pytest.mark.parametrize("way", ["done", "start_epoch_action", "end_epoch_action", "reset"])
def test_the_state_resets(name, way):
    model = small_model(name)
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
def test_the_previous_action_and_reward_are_inputs_within_an_episode(name):
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


@both
def test_asking_twice_while_collecting_is_an_error_that_names_the_agent(name):
    model = small_model(name)
    model.agent_name = "agent 5"
    action = model.take_action(OBS)
    pending = model.memory.pending
    with pytest.raises(RuntimeError, match=r"^agent 5: take_action was called again"):
        model.take_action(OBS)
    assert model.memory.pending is pending
    model.memory.add(OBS, action, 1.0, False)
    assert len(model.memory) == 1


@both
@pytest.mark.parametrize("state", [np.zeros(3), np.full(OBS_SIZE, np.nan)], ids=["size", "nan"])
def test_an_unfit_observation_changes_nothing(name, state):
    model, twin = small_model(name), small_model(name)
    for one in (model, twin):
        play(one, 3)
    with pytest.raises(ValueError, match=f"{type(model).__name__} without an agent's name"):
        model.take_action(state)
    assert play(model, 5) == play(twin, 5)


@both
def test_a_broken_network_is_told(name):
    model = small_model(name)
    with torch.no_grad():
        model.policy.heads.actor.bias[0] = math.nan
    with pytest.raises(FloatingPointError, match="output is not finite"):
        model.take_action(OBS)
    assert model.memory.pending is None


@both
def test_the_deterministic_switch_takes_the_mode(name):
    model = small_model(name)
    strengthen_policy(model)
    probabilities = torch.ones(())
    logits, _, _ = model._step(OBS, model.memory.recurrent_state)
    for part in torch.from_numpy(logits).split(model.action_dims):
        probabilities = torch.outer(probabilities.flatten(), part.softmax(0)).flatten()
    mode = int(probabilities.argmax())

    def taken(**how):
        seen = set()
        for _ in range(40):
            seen.add(model.take_action(OBS, **how))
            model.add_memory_ppo(0.0, True)
        return seen

    assert len(taken()) > 1
    assert taken(deterministic=True) == {mode}
    model.deterministic = True
    assert taken() == {mode}
    assert len(taken(deterministic=False)) > 1


@both
def test_a_new_model_acts_before_anything_was_started(name):
    model, started = small_model(name), small_model(name)
    started.start_epoch_action(epoch=0)
    assert play(model, 9) == play(started, 9)


# --- collecting over epochs ---


@both
def test_train_step_waits_for_a_full_rollout_be_it_over_epochs(name):
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
def test_an_update_within_an_episode_loses_nothing_of_it(name):
    model = small_model(name, previous_action_reward=True)
    play(model, 29)
    action = model.take_action(OBS)
    pending, memory = model.memory.pending, model.memory
    assert model.train_step() != 0.0
    assert (len(memory), memory.pending) == (0, pending)
    memory.add(OBS, action, 2.0, False)
    assert len(memory) == 1
    # As it was chosen: by the weights before the update, which the ratio is to be taken to.
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


@both
def test_an_epoch_broken_off_between_action_and_reward_is_told_and_forgotten(name, caplog):
    model = small_model(name)
    model.agent_name = "agent 5"
    play(model, 3)
    model.take_action(OBS)
    model.start_epoch_action(epoch=1)
    assert "agent 5: the epoch broke off" in caplog.text
    assert (len(model.memory), model.memory.pending) == (3, None)
    assert model.memory.episode_ends[2]
    play(model, 1)
    assert model.memory.episode_starts[3]


# --- evaluation ---


def everything(model):
    """Return all that training depends on."""
    rngs = (model._sampling_rng, model.learner.rng)
    return copy.deepcopy(
        (
            model._rollout.state_dict(),
            [rng.bit_generator.state for rng in rngs],
            (model.n_updates, model.num_timesteps, model.diagnostics),
        )
    )


def evaluate(model, *, with_rewards=True):
    model.eval()
    model.start_epoch_action(epoch=0)
    actions = []
    rng = np.random.default_rng(1)
    for _ in range(31):
        obs = rng.normal(size=OBS_SIZE).astype(np.float32)
        actions.append(model.take_action(obs))
        if with_rewards:
            model.memory.add(obs, actions[-1], 1.0, False)
    model.end_epoch_action(epoch=0)
    assert model.train_step() == 0.0
    model.train()
    return actions


@both
@pytest.mark.parametrize("pending", [False, True])
def test_evaluation_leaves_no_trace_in_training(name, pending):
    model, twin = small_model(name), small_model(name)
    for one in (model, twin):
        play(one, 29)
        one.train_step()
        play(one, 7)
        if pending:
            one.take_action(OBS)
    before, weights_before = everything(model), weights(model)
    evaluate(model)
    np.testing.assert_equal(everything(model), before)
    assert same_weights(weights(model), weights_before)
    for one in (model, twin):
        if pending:
            one.add_memory_ppo(1.0, False)
    assert play(model, 23) == play(twin, 23)
    assert model.train_step() == twin.train_step()
    assert same_weights(weights(model), weights(twin))


@both
def test_an_evaluation_remembers_with_and_without_rewards(name):
    models = [small_model(name) for _ in range(3)]
    for model in models:
        strengthen_policy(model)
    with_rewards = evaluate(models[0])
    assert evaluate(models[1], with_rewards=False) == with_rewards

    forgetful = models[2].eval()
    actions, rng = [], np.random.default_rng(1)
    for _ in range(31):
        forgetful.reset()
        actions.append(forgetful.take_action(rng.normal(size=OBS_SIZE)))
    assert actions != with_rewards


@both
def test_a_full_rollout_waits_for_the_end_of_an_evaluation(name):
    model = small_model(name)
    play(model, 29)
    before = weights(model)
    model.eval()
    assert model.train_step() == 0.0
    assert same_weights(weights(model), before)
    model.train()
    assert model.train_step() != 0.0
    assert model.n_updates == 1


@both
def test_each_evaluation_starts_from_nothing(name):
    model = small_model(name)
    play(model, 5)
    model.eval()
    assert len(model.memory) == 0
    play(model, 3)
    assert len(model.memory) == 3
    model.train()
    assert len(model.memory) == 5
    model.eval()
    assert len(model.memory) == 0
    model.take_action(OBS)
    assert model.memory.pending.episode_start
    assert not model.memory.pending.recurrent_state.any()


@both
def test_an_evaluations_record_is_that_of_the_running_epoch(name):
    model = small_model(name)
    model.eval()
    for epoch in range(2):
        model.start_epoch_action(epoch=epoch)
        actions, _ = play(model, 4, seed=epoch)
        model.end_epoch_action(epoch=epoch)
        assert model.memory.actions[: len(model.memory)].tolist() == actions


@both
def test_an_evaluation_begins_anew_with_loaded_weights(name, tmp_path):
    model, other = small_model(name), small_model(name, seed=7)
    other.save(tmp_path / "other.pt")
    model.eval()
    play(model, 5)
    model.take_action(OBS)
    model.load(tmp_path / "other.pt")
    assert (len(model.memory), model.memory.pending) == (0, None)
    assert play(model, 5) == play(other.eval(), 5)


@both
def test_learning_is_of_the_rollout_even_in_evaluation(name):
    model, twin = (small_model(name, reward_scaling=True) for _ in range(2))
    for one in (model, twin):
        play(one, 29)
    model.eval()
    play(model, 3)
    assert model.learn() == twin.learn()
    assert same_weights(weights(model), weights(twin))


# --- copies ---


@both
def test_a_copy_lives_on_by_itself(name):
    model = small_model(name)
    play(model, 29)
    model.train_step()
    play(model, 5)
    twin, before = copy.deepcopy(model), everything(model)
    weights_before = weights(model)
    taken = play(twin, 24)
    twin.train_step()
    assert twin.n_updates == 2
    assert not same_weights(weights(twin), weights_before)
    np.testing.assert_equal(everything(model), before)
    assert same_weights(weights(model), weights_before)
    assert play(model, 24) == taken
    model.train_step()
    assert same_weights(weights(model), weights(twin))


@pytest.mark.parametrize("error", [RuntimeError, ValueError, TypeError])
def test_an_error_of_our_own_in_building_is_not_a_config_error(error, monkeypatch):
    def fail(*args, **kwargs):
        raise error("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("sorrel_recurrent_ppo.models.base.RecurrentPolicy", fail)
    with pytest.raises(error, match="mat1 and mat2") as caught:
        small_model("lstm_ppo")
    assert not isinstance(caught.value, ConfigError)
