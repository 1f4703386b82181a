"""Evaluation mode: it records an epoch, and leaves the training of the model unaffected."""

import numpy as np
import pytest

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


def evaluate(model, *, with_rewards=True):
    """Play an epoch in evaluation mode and return its actions."""
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
def test_evaluation_does_not_affect_training(name, pending):
    model, twin = small_model(name), small_model(name)
    for one in (model, twin):
        play(one, 29)
        one.train_step()
        play(one, 7)
        if pending:
            one.take_action(OBS)
    before, weights_before = training_snapshot(model), weights(model)
    evaluate(model)
    np.testing.assert_equal(training_snapshot(model), before)
    assert same_weights(weights(model), weights_before)
    for one in (model, twin):
        if pending:
            one.add_memory_ppo(1.0, False)
    assert play(model, 23) == play(twin, 23)
    assert model.train_step() == twin.train_step()
    assert same_weights(weights(model), weights(twin))


@both
def test_evaluation_keeps_the_recurrent_state_with_and_without_rewards(name):
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


def test_evaluation_defers_a_due_update():
    model = small_model("lstm_ppo")
    play(model, 29)
    before = weights(model)
    model.eval()
    assert model.train_step() == 0.0
    assert same_weights(weights(model), before)
    model.train()
    assert model.train_step() != 0.0
    assert model.n_updates == 1


def test_evaluation_starts_from_an_empty_record_and_a_zero_state():
    model = small_model("lstm_ppo")
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


def test_evaluation_record_is_that_of_the_running_epoch():
    model = small_model("lstm_ppo")
    model.eval()
    for epoch in range(2):
        model.start_epoch_action(epoch=epoch)
        actions, _ = play(model, 4, seed=epoch)
        model.end_epoch_action(epoch=epoch)
        assert model.memory.actions[: len(model.memory)].tolist() == actions


def test_load_restarts_a_running_evaluation(tmp_path):
    model, other = small_model("lstm_ppo"), small_model("lstm_ppo", seed=7)
    other.save(tmp_path / "other.pt")
    model.eval()
    play(model, 5)
    model.take_action(OBS)
    model.load(tmp_path / "other.pt")
    assert (len(model.memory), model.memory.pending) == (0, None)
    assert play(model, 5) == play(other.eval(), 5)


def test_learn_in_evaluation_uses_the_rollout():
    model, twin = (small_model("lstm_ppo", reward_scaling=True) for _ in range(2))
    for one in (model, twin):
        play(one, 29)
    model.eval()
    play(model, 3)
    assert model.learn() == twin.learn()
    assert same_weights(weights(model), weights(twin))
