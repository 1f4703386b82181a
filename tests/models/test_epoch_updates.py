"""``rollout_length=None``: an update after every epoch, on the steps of that epoch."""

import copy

import numpy as np
import pytest

from sorrel_recurrent_ppo.models import RecurrentPPOLSTM
from support.small_models import MODELS, OBS_SIZE, play, same_weights, small_model, weights

both = pytest.mark.parametrize("name", MODELS)


def epoch_model(name="lstm_ppo", **settings):
    return small_model(name, rollout_length=None, **settings)


def play_epoch(model, n_steps, *, seed=17, dones=()):
    """Play an epoch as Sorrel does; return the loss, 0.0 without an update."""
    model.start_epoch_action(epoch=seed)
    play(model, n_steps, seed=seed, dones=dones)
    model.end_epoch_action(epoch=seed)
    return float(model.train_step())


@both
def test_every_epoch_with_a_step_is_one_update_whatever_its_length(name):
    model = epoch_model(name)
    lengths = [4, 1, 0, 70, 2, 0, 1]
    counts = [1, 2, 2, 3, 4, 4, 5]
    for epoch, (n_steps, n_updates) in enumerate(zip(lengths, counts, strict=True)):
        before = weights(model)
        loss = play_epoch(model, n_steps, seed=epoch)
        assert (model.n_updates, len(model.memory)) == (n_updates, 0)
        assert (loss != 0.0) == (n_steps > 0)
        assert same_weights(weights(model), before) == (n_steps == 0)
    assert model.num_timesteps == sum(lengths)
    assert all(value.isfinite().all() for value in weights(model).values())


@both
@pytest.mark.parametrize("dones", [(), (4,), (10,)], ids=["none", "within", "last"])
def test_updates_equal_those_of_a_rollout_as_long_as_the_epochs(name, dones):
    model, fixed = epoch_model(name), small_model(name, rollout_length=11)
    for epoch in range(3):
        losses = [play_epoch(one, 11, seed=epoch, dones=dones) for one in (model, fixed)]
        assert losses[0] == losses[1] != 0.0
    assert model.diagnostics == fixed.diagnostics
    assert same_weights(weights(model), weights(fixed))


@pytest.mark.parametrize("reward", [0.0, 1e6])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("burn_in", [0, 2])
def test_epochs_of_a_single_step_train(reward, done, burn_in):
    model = epoch_model(normalize_advantage=True, burn_in=burn_in, batch_size=1)
    for epoch in range(3):
        model.start_epoch_action(epoch=epoch)
        model.take_action(np.ones(OBS_SIZE))
        model.add_memory_ppo(reward, done)
        model.end_epoch_action(epoch=epoch)
        assert np.isfinite(model.train_step())
    assert (model.n_updates, model.num_timesteps) == (3, 3)
    assert all(value.isfinite().all() for value in weights(model).values())


def test_train_step_within_an_epoch_waits_for_its_end():
    model = epoch_model()
    before = weights(model)
    for t in range(200):
        play(model, 1, seed=t)
        assert not model.update_is_due
        assert model.train_step() == 0.0
    assert (model.n_updates, len(model.memory)) == (0, 200)
    assert model.memory.capacity >= 200
    assert same_weights(weights(model), before)
    model.end_epoch_action(epoch=0)
    assert model.train_step() != 0.0
    assert (model.n_updates, len(model.memory), model.num_timesteps) == (1, 0, 200)


@pytest.mark.parametrize("way", ["done", "start_epoch_action", "end_epoch_action", "reset"])
def test_an_ended_episode_is_due_until_the_update(way):
    model = epoch_model()
    play(model, 5, dones=[4] if way == "done" else [])
    if way != "done":
        assert not model.update_is_due
        getattr(model, way)()
    play(model, 2)  # a loop that trains late
    assert model.update_is_due
    assert model.train_step() != 0.0
    assert (len(model.memory), model.num_timesteps) == (0, 7)
    play(model, 3)
    assert not model.update_is_due


def test_an_epoch_without_steps_or_rewards_is_no_update():
    model = epoch_model()
    assert play_epoch(model, 0) == 0.0
    model.start_epoch_action(epoch=1)
    model.take_action(np.ones(OBS_SIZE))  # its reward never arrives
    model.end_epoch_action(epoch=1)
    assert model.train_step() == 0.0
    assert (model.n_updates, model.num_timesteps) == (0, 0)


def test_evaluation_defers_the_update_of_an_epoch():
    model, twin = epoch_model(), epoch_model()
    for one in (model, twin):
        play(one, 6)
        one.end_epoch_action(epoch=0)
    model.eval()
    assert play_epoch(model, 9, seed=3) == 0.0
    model.train()
    assert float(model.train_step()) == float(twin.train_step()) != 0.0
    assert same_weights(weights(model), weights(twin))


def test_model_that_does_not_learn_is_never_due():
    model = epoch_model()
    model.learns = False
    model.train()
    assert play_epoch(model, 6) == 0.0
    assert model.num_timesteps == 0


def test_sequences_may_be_longer_than_epochs():
    model = epoch_model(sequence_length=1000)
    assert play_epoch(model, 5) != 0.0
    assert RecurrentPPOLSTM((3,), 2, seed=1, rollout_length=None).settings.sequence_length == 128


def test_sequences_may_be_longer_than_rollouts():
    long, exact = (
        small_model("lstm_ppo", rollout_length=5, sequence_length=length) for length in (1000, 5)
    )
    assert play_epoch(long, 5) == play_epoch(exact, 5) != 0.0


def test_loops_that_wait_for_a_batch_train_after_every_epoch():
    model = epoch_model(batch_size=64)
    assert (model.batch_size, model.memory_size) == (1, 1)
    model.start_epoch_action(epoch=0)
    play(model, 1)
    model.end_epoch_action(epoch=0)
    if len(model.memory) >= model.batch_size:
        model.train_step()
    assert model.n_updates == 1


@both
@pytest.mark.parametrize("where", ["within an epoch", "after an epoch", "after an update"])
def test_loaded_model_continues_like_the_saved_one(name, where, tmp_path):
    model = epoch_model(name)
    play_epoch(model, 7)
    if where != "after an update":
        play(model, 4, seed=2)
    if where == "after an epoch":
        model.end_epoch_action(epoch=1)
    model.save(tmp_path / "model.pt")
    loaded = epoch_model(name, seed=99)
    loaded.load(tmp_path / "model.pt")
    results = []
    for one in (model, loaded, copy.deepcopy(loaded)):
        losses = [float(one.train_step())]
        losses += [play_epoch(one, n_steps, seed=n_steps) for n_steps in (3, 1, 12)]
        results.append((losses, one.n_updates, one.num_timesteps))
        assert same_weights(weights(one), weights(model))
    assert results[0] == results[1] == results[2]
    assert (results[0][0][0] != 0.0) == (where == "after an epoch")


def test_steps_of_a_checkpoint_with_a_fixed_length_are_the_first_update(tmp_path):
    fixed = small_model("lstm_ppo")
    assert play_epoch(fixed, 11) == 0.0
    fixed.save(tmp_path / "model.pt")
    model = epoch_model()
    model.load(tmp_path / "model.pt")
    assert model.settings.rollout_length is None
    assert play_epoch(model, 3) != 0.0
    assert (model.n_updates, model.num_timesteps, len(model.memory)) == (1, 14, 0)
