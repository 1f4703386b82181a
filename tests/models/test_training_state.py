"""The training state of a model: resuming from it, and rejecting states that do not fit."""

import copy
import math

import pytest
import torch

from sorrel_recurrent_ppo.models.checkpoint import write_checkpoint
from support.small_models import MODELS, play, small_model
from support.trained_models import (
    assert_rejected,
    assert_same_results,
    continue_training,
    trained,
)

both = pytest.mark.parametrize("name", MODELS)


@both
@pytest.mark.parametrize("changes", [{}, {"previous_action_reward": True, "burn_in": 2}])
def test_loaded_model_continues_like_the_saved_one(name, changes, tmp_path):
    model = trained(name, **changes)
    model.set_epsilon(0.25)
    model.save(tmp_path / "model.pt")
    other = small_model(name, seed=99, reward_scaling=True, **changes)
    play(other, 3)
    other.load(tmp_path / "model.pt")
    assert_same_results(continue_training(other), continue_training(model))


def test_save_changes_nothing(tmp_path):
    model, twin = trained(), trained()
    model.save(tmp_path / "model.pt")
    assert_same_results(continue_training(model), continue_training(twin))


def test_load_restores_the_model_that_saved(tmp_path):
    model = trained()
    model.save(tmp_path / "model.pt")
    first = continue_training(model)
    model.load(tmp_path / "model.pt")
    assert_same_results(continue_training(model), first)


def test_load_restores_a_model_without_updates(tmp_path):
    model = small_model("lstm_ppo")
    model.save(tmp_path / "new.pt")
    other = small_model("lstm_ppo", seed=99)
    other.load(tmp_path / "new.pt")
    assert_same_results(continue_training(other), continue_training(model))


def test_load_keeps_the_settings_of_the_loading_model(tmp_path):
    trained().save(tmp_path / "model.pt")
    other = small_model("lstm_ppo", reward_scaling=True, learning_rate=0.0123, gamma=0.5)
    other.load(tmp_path / "model.pt")
    assert other.return_scale.gamma == 0.5
    play(other, 22)
    other.train_step()
    assert other.optimizer.param_groups[0]["lr"] == 0.0123


@pytest.mark.parametrize(
    "other",
    [
        {"hidden_size": 7},
        {"layer_size": 13},
        {"layer_norm": True},
        {"previous_action_reward": True},
        {"input_size": (1, 7)},
        {"input_size": (8,)},
        {"obs_dim": [1, 2, 3]},
        {"action_dims": [2, 3]},
        {"action_space": 5},
    ],
    ids=lambda other: next(iter(other)),
)
def test_load_rejects_a_different_model_and_names_the_difference(other, tmp_path):
    small_model("lstm_ppo", **other).save(tmp_path / "other.pt")
    (key,) = other
    key = {"obs_dim": "picture", "action_space": "action_dims"}.get(key, key)
    message = rf"the model differs: expected {key}=[^;]+ \(from the checkpoint\), found [^;]+$"
    assert_rejected(tmp_path / "other.pt", message)


def test_load_names_every_difference(tmp_path):
    small_model("lstm_ppo", hidden_size=7, layer_norm=True).save(tmp_path / "other.pt")
    sizes = r"expected hidden_size=7 \(from the checkpoint\), found 5"
    norms = r"expected layer_norm=True \(from the checkpoint\), found False"
    assert_rejected(tmp_path / "other.pt", f": {sizes}; {norms}$")


def test_load_rejects_a_state_without_identity(tmp_path):
    path = tmp_path / "other.pt"
    write_checkpoint(path, {**trained().training_state(), "identity": None})
    assert_rejected(path, r"expected an identity \(from the checkpoint\), found None$")


@both
def test_load_rejects_the_other_model(name, tmp_path):
    (other,) = set(MODELS) - {name}
    MODELS[other]((7,), 6, 11, seed=1, hidden_size=5).save(tmp_path / "other.pt")
    assert_rejected(tmp_path / "other.pt", other, name)


def without(key):
    def change(content):
        del content[key]

    return change


def set_to(*keys, value):
    def change(content):
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(without(k) for k in ("policy", "optimizer", "random", "rollout", "return_scale")),
        *(without(k) for k in ("timesteps", "n_updates", "diagnostics", "epsilon")),
        set_to("policy", "heads.critic.bias", value=torch.zeros(2)),
        set_to("policy", "extra", value=torch.zeros(2)),
        set_to("optimizer", "state", 0, "exp_avg", value=torch.zeros(2)),
        set_to("optimizer", "state", 0, "exp_avg_sq", value=torch.zeros(2)),
        set_to("random", value=["{}"] * 3),
        set_to("random", value=["null"]),
        set_to("random", value=[]),
        set_to("rollout", "steps", "rewards", value=torch.zeros(2)),
        set_to("rollout", "steps", value={}),
        set_to("rollout", "recurrent_state", value=torch.zeros(2)),
        set_to("return_scale", value={"gamma": 0.5, "what": 1}),
        set_to("timesteps", value="many"),
        set_to("diagnostics", value=3),
        set_to("epsilon", value=None),
        set_to("epsilon", value=math.nan),
        set_to("timesteps", value=-1),
        set_to("n_updates", value=True),
        set_to("policy", "heads.critic.bias", value=torch.full((1,), math.nan)),
        set_to("policy", "heads.critic.bias", value=torch.zeros(1, dtype=torch.int64)),
        set_to("optimizer", "state", 0, "exp_avg", 0, value=math.inf),
        set_to("rollout", "steps", "rewards", 0, value=math.inf),
        set_to("rollout", "steps", "actions", 0, value=6),
        set_to("rollout", "last_action", value=-1),
        set_to("rollout", "last_reward", value=math.nan),
        set_to("return_scale", "sum_of_squares", value=-1.0),
    ],
)
def test_load_rejects_missing_or_invalid_parts(change, tmp_path):
    content = copy.deepcopy(trained().training_state())
    change(content)
    write_checkpoint(tmp_path / "model.pt", content)
    assert_rejected(tmp_path / "model.pt", "is damaged")
