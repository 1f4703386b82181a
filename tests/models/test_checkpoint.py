import copy
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.models import checkpoint
from sorrel_recurrent_ppo.models.checkpoint import FORMAT_VERSION, read_checkpoint, write_checkpoint
from support.small_models import MODELS, play, same_weights, small_model, weights

both = pytest.mark.parametrize("name", MODELS)


def trained(name, **changes):
    """Return a model in the middle of things: after an update, within an episode and a rollout."""
    model = small_model(name, reward_scaling=True, **changes)
    play(model, 31, dones=[5], seed=1)
    model.train_step()
    play(model, 7, dones=[2], seed=2)
    return model


def go_on(model):
    """Live on over two more updates; return all that happens."""
    happened = []
    for epoch in range(2):
        happened.append(play(model, 29, dones=[11], seed=epoch))
        model.end_epoch_action(epoch=epoch)
        happened.append(float(model.train_step()))
        happened.append(model.diagnostics)
        model.start_epoch_action(epoch=epoch + 1)
        model.eval()
        happened.append(play(model, 5))
        model.train()
    return happened, weights(model), model.num_timesteps, model.n_updates, model.epsilon


def assert_same(one, other):
    assert one[0] == other[0]
    assert same_weights(one[1], other[1])
    assert one[2:] == other[2:]


@both
@pytest.mark.parametrize("changes", [{}, {"previous_action_reward": True, "burn_in": 2}])
def test_going_on_from_a_file_is_never_having_stopped(name, changes, tmp_path):
    model = trained(name, **changes)
    model.set_epsilon(0.25)
    model.save(tmp_path / "model.pt")
    other = small_model(name, seed=99, reward_scaling=True, **changes)
    play(other, 3)
    other.load(tmp_path / "model.pt")
    assert_same(go_on(other), go_on(model))


@both
def test_saving_changes_nothing(name, tmp_path):
    model, twin = trained(name), trained(name)
    model.save(tmp_path / "model.pt")
    assert_same(go_on(model), go_on(twin))


@both
def test_a_model_goes_back_to_its_own_file(name, tmp_path):
    model = trained(name)
    model.save(tmp_path / "model.pt")
    first = go_on(model)
    model.load(tmp_path / "model.pt")
    assert_same(go_on(model), first)


@both
def test_a_file_holds_for_a_model_that_never_learned(name, tmp_path):
    model = small_model(name)
    model.save(tmp_path / "new.pt")
    other = small_model(name, seed=99)
    other.load(tmp_path / "new.pt")
    assert_same(go_on(other), go_on(model))


@both
def test_the_learning_settings_are_the_loading_models_own(name, tmp_path):
    trained(name).save(tmp_path / "model.pt")
    other = small_model(name, reward_scaling=True, learning_rate=0.0123, gamma=0.5)
    other.load(tmp_path / "model.pt")
    assert other.return_scale.gamma == 0.5
    play(other, 22)
    other.train_step()
    assert other.optimizer.param_groups[0]["lr"] == 0.0123


@both
def test_folders_are_made_and_no_other_file_is_left(name, tmp_path):
    path = tmp_path / "a" / "b" / "model.pt"
    small_model(name).save(str(path))
    assert os.listdir(path.parent) == ["model.pt"]
    small_model(name, seed=99).load(str(path))


# --- what is not loaded, and leaves the model as it was ---


def assert_refused(name, path, message, **changes):
    model, twin = trained(name, **changes), trained(name, **changes)
    for one in (model, twin):
        one.take_action(np.zeros(one.layout.size))
    with pytest.raises(CheckpointError, match=message) as refused:
        model.load(path)
    assert path.name in str(refused.value)
    for one in (model, twin):
        one.add_memory_ppo(1.0, False)
    assert_same(go_on(model), go_on(twin))


@both
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
def test_a_model_of_another_shape_is_refused_by_what_differs(name, other, tmp_path):
    small_model(name, **other).save(tmp_path / "other.pt")
    (key,) = other
    key = {"obs_dim": "picture", "action_space": "action_dims"}.get(key, key)
    assert_refused(name, tmp_path / "other.pt", f"is of another model: its {key} is [^;]+$")


@both
def test_every_difference_is_told(name, tmp_path):
    small_model(name, hidden_size=7, layer_norm=True).save(tmp_path / "other.pt")
    told = "its hidden_size is 7, this model's 5; its layer_norm is True, this model's False$"
    assert_refused(name, tmp_path / "other.pt", told)


@both
def test_a_state_that_does_not_say_of_what_it_is_is_refused(name, tmp_path):
    path = tmp_path / "other.pt"
    write_checkpoint(path, {**trained(name).training_state(), "identity": None})
    assert_refused(name, path, "is of another model: its description is None$")


@both
def test_the_other_model_is_refused(name, tmp_path):
    (other,) = set(MODELS) - {name}
    MODELS[other]((7,), 6, 11, seed=1, hidden_size=5).save(tmp_path / "other.pt")
    assert_refused(name, tmp_path / "other.pt", other)


@both
def test_a_missing_file_is_told(name, tmp_path):
    assert_refused(name, tmp_path / "none.pt", "does not exist")
    assert_refused(name, tmp_path, "is not a file")


@both
@pytest.mark.parametrize("content", [b"", b"PK", b"weights", b"\x80\x04.", bytes(1000)])
def test_a_file_of_something_else_is_refused(name, content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)
    assert_refused(name, tmp_path / "model.pt", "is damaged")


@both
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(name, part, tmp_path):
    path = tmp_path / "model.pt"
    trained(name).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert_refused(name, path, "is damaged")


@both
def test_a_torch_file_of_something_else_is_refused(name, tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pt")
    assert_refused(name, tmp_path / "other.pt", "not a checkpoint of sorrel_recurrent_ppo")


@both
def test_a_newer_format_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", FORMAT_VERSION + 1)
    trained(name).save(tmp_path / "model.pt")
    monkeypatch.undo()
    assert_refused(name, tmp_path / "model.pt", "has format 2, newer than 1")


class Hostile:
    """Makes a folder when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@both
@pytest.mark.parametrize("version", [0, -1, True, "1", None])
def test_a_format_that_never_was_is_refused(name, version, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", version)
    trained(name).save(tmp_path / "model.pt")
    monkeypatch.undo()
    assert_refused(name, tmp_path / "model.pt", f"says format {version!r}")


@both
@pytest.mark.parametrize("how", ["as ours", "by torch", "by pickle"])
def test_a_file_that_would_run_code_does_not(name, how, tmp_path):
    path, trap = tmp_path / "model.pt", tmp_path / "trap"
    content = {**trained(name).training_state(), "more": Hostile(trap)}
    if how == "as ours":
        write_checkpoint(path, content)
    elif how == "by torch":
        torch.save({"sorrel_recurrent_ppo_format": FORMAT_VERSION, **content}, path)
    else:
        path.write_bytes(pickle.dumps(content))
    assert_refused(name, path, "could run code" if how == "as ours" else "is damaged")
    assert not trap.exists()


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


@both
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
def test_a_file_with_parts_missing_or_wrong_leaves_no_half_loaded_model(name, change, tmp_path):
    content = copy.deepcopy(trained(name).training_state())
    change(content)
    write_checkpoint(tmp_path / "model.pt", content)
    assert_refused(name, tmp_path / "model.pt", "is damaged")


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.pt"
    trained("lstm_ppo").save(path)
    return path.read_bytes()


@settings(max_examples=60)
@given(data=st.data())
def test_flipped_bytes_are_refused(data, whole_file, tmp_path_factory):
    flipped = bytearray(whole_file)
    at = data.draw(st.integers(0, len(flipped) - 1))
    flipped[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "model.pt"
    path.write_bytes(flipped)
    model = small_model("lstm_ppo", reward_scaling=True)
    before = weights(model)
    with pytest.raises(CheckpointError, match="is damaged"):
        model.load(path)
    assert same_weights(weights(model), before)


# --- writing: whole or not at all ---


class Unsavable:
    def __reduce__(self):
        raise RuntimeError("cannot be written")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    write_checkpoint(path, {"n": 7})
    with pytest.raises(CheckpointError, match=r"model.pt could not be written: cannot be"):
        write_checkpoint(path, {"n": 11, "more": Unsavable()})
    assert read_checkpoint(path)["n"] == 7
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_rename_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    write_checkpoint(path, {"n": 7})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_checkpoint(path, {"n": 11})
    assert read_checkpoint(path)["n"] == 7
    assert os.listdir(tmp_path) == ["model.pt"]


@both
def test_a_place_that_cannot_be_written_is_told(name, tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    model, twin = trained(name), trained(name)
    for path in (tmp_path / "file" / "model.pt", tmp_path / "folder"):
        with pytest.raises(CheckpointError, match="could not be written"):
            model.save(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert_same(go_on(model), go_on(twin))


@both
@pytest.mark.parametrize("place", ["", ".", "a\0b", "x" * 300, "/dev/null"])
def test_a_path_that_is_no_file_is_told(name, place):
    model, twin = trained(name), trained(name)
    with pytest.raises(CheckpointError, match="could not be written"):
        model.save(place)
    with pytest.raises(CheckpointError, match=r"could not be read|is not a file|does not exist"):
        model.load(place)
    assert_same(go_on(model), go_on(twin))
    assert not Path("/dev/null").is_file()


@both
@pytest.mark.parametrize("place", [None, 5])
def test_a_path_of_another_type_is_a_type_error(name, place):
    model = small_model(name)
    for door in (model.save, model.load):
        with pytest.raises(TypeError, match="str"):
            door(place)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="is not a file"):
        small_model("lstm_ppo").load(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="could not be written"):
        small_model("lstm_ppo").save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_stays_one(tmp_path):
    (tmp_path / "latest.pt").symlink_to("model.pt")
    write_checkpoint(tmp_path / "latest.pt", {"n": 7})
    assert (tmp_path / "latest.pt").is_symlink()
    assert read_checkpoint(tmp_path / "model.pt")["n"] == 7


def test_torch_alone_can_look_into_a_file(tmp_path):
    path = tmp_path / "model.pt"
    trained("lstm_ppo").save(path)
    content = torch.load(path, weights_only=True)
    assert content["sorrel_recurrent_ppo_format"] == FORMAT_VERSION


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    small_model("lstm_ppo").save(tmp_path / "model.pt")
    (tmp_path / "other").touch()
    assert (tmp_path / "model.pt").stat().st_mode == (tmp_path / "other").stat().st_mode
