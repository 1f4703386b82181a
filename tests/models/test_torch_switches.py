"""PyTorch's global switches neither change nor break a model, nor are they changed by it."""

from contextlib import contextmanager

import pytest
import torch

from support.random_streams import assert_same_training, train_briefly
from support.small_models import MODELS, play, same_weights, small_model, weights


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def grad_disabled():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


SWITCHES = {
    "default dtype": default_dtype,
    "default device": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "grad disabled": grad_disabled,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def switches():
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_changes_no_bit_and_stays_as_it_is(switch, name, tmp_path):
    expected = train_briefly(small_model(name))
    with SWITCHES[switch]():
        before = switches()
        model = small_model(name)
        found = train_briefly(model)
        model.save(tmp_path / "model.pt")
        loaded = small_model(name, seed=99)
        loaded.load(tmp_path / "model.pt")
        assert switches() == before
    assert_same_training(found, expected)
    assert same_weights(weights(loaded), expected[2])
    assert_same_training(train_briefly(loaded), train_briefly(model))  # outside of it


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kernels", ["on", "off"])
def test_autocast_does_not_change_the_actions_on_pictures(name, kernels, monkeypatch):
    monkeypatch.setattr(
        "sorrel_recurrent_ppo.policy.acting.kernels_enabled", lambda: kernels == "on"
    )
    picture = {"input_size": (2, 5, 5), "obs_type": "image"}
    with torch.autocast("cpu", torch.bfloat16):
        found = play(small_model(name, **picture), 20)
    assert found == play(small_model(name, **picture), 20)


# --- policies wrapped by torch.compile ---


def compile_policy(model):
    model.policy = torch.compile(model.policy)


def compile_core(model):
    model.policy.core = torch.compile(model.policy.core)


@pytest.mark.parametrize("wrap", [compile_policy, compile_core])
@pytest.mark.parametrize("name", MODELS)
def test_compiled_policy_is_saved_and_loaded_under_plain_names(name, wrap, tmp_path):
    plain, compiled = small_model(name), small_model(name, seed=99)
    wrap(compiled)
    assert any("_orig_mod" in key for key in compiled.policy.state_dict())
    plain.save(tmp_path / "plain.pt")
    compiled.load(tmp_path / "plain.pt")
    compiled.save(tmp_path / "compiled.pt")
    saved = torch.load(tmp_path / "compiled.pt", weights_only=True)["policy"]
    assert saved.keys() == plain.policy.state_dict().keys()
    assert same_weights(saved, weights(plain))
    other = small_model(name, seed=98)
    other.load(tmp_path / "compiled.pt")
    assert same_weights(weights(other), weights(plain))
