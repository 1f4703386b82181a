"""Checkpoint files: format, damage, hostile content, paths, and atomic writes."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.models import checkpoint
from sorrel_recurrent_ppo.models.checkpoint import FORMAT_VERSION, read_checkpoint, write_checkpoint
from support.small_models import same_weights, small_model, weights
from support.trained_models import (
    assert_rejected,
    assert_same_results,
    continue_training,
    trained,
)


def test_save_creates_directories_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "a" / "b" / "model.pt"
    small_model("lstm_ppo").save(str(path))
    assert os.listdir(path.parent) == ["model.pt"]
    small_model("lstm_ppo", seed=99).load(str(path))


# --- rejected files leave the model unchanged ---


def test_load_rejects_a_missing_file(tmp_path):
    assert_rejected(tmp_path / "none.pt", "does not exist")
    assert_rejected(tmp_path, "is not a file")


@pytest.mark.parametrize("content", [b"", b"PK", b"weights", b"\x80\x04.", bytes(1000)])
def test_load_rejects_other_files(content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)
    assert_rejected(tmp_path / "model.pt", "is damaged")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_load_rejects_a_truncated_file(part, tmp_path):
    path = tmp_path / "model.pt"
    trained().save(path)
    complete = path.read_bytes()
    path.write_bytes(complete[: int(len(complete) * part)])
    assert_rejected(path, "is damaged")


def test_load_rejects_other_torch_files(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pt")
    assert_rejected(tmp_path / "other.pt", "not a checkpoint of sorrel_recurrent_ppo")


def test_load_rejects_a_newer_format(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", FORMAT_VERSION + 1)
    trained().save(tmp_path / "model.pt")
    monkeypatch.undo()
    assert_rejected(tmp_path / "model.pt", "has format 2, newer than 1")


class Hostile:
    """Creates a directory when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("version", [0, -1, True, "1", None])
def test_load_rejects_an_invalid_format(version, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", version)
    trained().save(tmp_path / "model.pt")
    monkeypatch.undo()
    assert_rejected(tmp_path / "model.pt", f"has format {version!r}, expected")


@pytest.mark.parametrize("how", ["checkpoint", "torch", "pickle"])
def test_load_does_not_execute_code(how, tmp_path):
    path, trap = tmp_path / "model.pt", tmp_path / "trap"
    content = {**trained().training_state(), "more": Hostile(trap)}
    if how == "checkpoint":
        write_checkpoint(path, content)
    elif how == "torch":
        torch.save({"sorrel_recurrent_ppo_format": FORMAT_VERSION, **content}, path)
    else:
        path.write_bytes(pickle.dumps(content))
    assert_rejected(path, "could execute code" if how == "checkpoint" else "is damaged")
    assert not trap.exists()


@pytest.fixture(scope="module")
def complete_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("complete") / "model.pt"
    trained().save(path)
    return path.read_bytes()


@settings(max_examples=60)
@given(data=st.data())
def test_load_rejects_flipped_bytes(data, complete_file, tmp_path_factory):
    flipped = bytearray(complete_file)
    at = data.draw(st.integers(0, len(flipped) - 1))
    flipped[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "model.pt"
    path.write_bytes(flipped)
    model = small_model("lstm_ppo", reward_scaling=True)
    before = weights(model)
    with pytest.raises(CheckpointError, match="is damaged"):
        model.load(path)
    assert same_weights(weights(model), before)


# --- writing ---


class Unsavable:
    def __reduce__(self):
        raise RuntimeError("cannot be written")


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    write_checkpoint(path, {"n": 7})
    with pytest.raises(CheckpointError, match=r"model.pt could not be written: cannot be"):
        write_checkpoint(path, {"n": 11, "more": Unsavable()})
    assert read_checkpoint(path)["n"] == 7
    assert os.listdir(tmp_path) == ["model.pt"]


def test_failed_rename_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    write_checkpoint(path, {"n": 7})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_checkpoint(path, {"n": 11})
    assert read_checkpoint(path)["n"] == 7
    assert os.listdir(tmp_path) == ["model.pt"]


def test_save_to_an_unwritable_path_raises(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    model, twin = trained(), trained()
    for path in (tmp_path / "file" / "model.pt", tmp_path / "folder"):
        with pytest.raises(CheckpointError, match="could not be written"):
            model.save(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert_same_results(continue_training(model), continue_training(twin))


@pytest.mark.parametrize("path", ["", ".", "a\0b", "x" * 300, "/dev/null"])
def test_path_that_is_not_a_file_raises(path):
    model, twin = trained(), trained()
    with pytest.raises(CheckpointError, match="could not be written"):
        model.save(path)
    with pytest.raises(CheckpointError, match=r"could not be read|is not a file|does not exist"):
        model.load(path)
    assert_same_results(continue_training(model), continue_training(twin))
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("path", [None, 5])
def test_path_of_another_type_raises_type_error(path):
    model = small_model("lstm_ppo")
    for method in (model.save, model.load):
        with pytest.raises(TypeError, match="str"):
            method(path)


def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="is not a file"):
        small_model("lstm_ppo").load(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="could not be written"):
        small_model("lstm_ppo").save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_write_replaces_the_target_of_a_symlink(tmp_path):
    (tmp_path / "latest.pt").symlink_to("model.pt")
    write_checkpoint(tmp_path / "latest.pt", {"n": 7})
    assert (tmp_path / "latest.pt").is_symlink()
    assert read_checkpoint(tmp_path / "model.pt")["n"] == 7


def test_file_is_readable_by_torch_alone(tmp_path):
    path = tmp_path / "model.pt"
    trained().save(path)
    content = torch.load(path, weights_only=True)
    assert content["sorrel_recurrent_ppo_format"] == FORMAT_VERSION


def test_file_has_default_permissions(tmp_path):
    small_model("lstm_ppo").save(tmp_path / "model.pt")
    (tmp_path / "other").touch()
    assert (tmp_path / "model.pt").stat().st_mode == (tmp_path / "other").stat().st_mode
