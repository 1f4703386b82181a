"""Observations: their layout, the picture in Sorrel's specs, and their validation."""

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sorrel.observation.observation_spec import (
    AsciiObservationSpec,
    OneHotObservationSpec,
    RGBObservationSpec,
)

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.policy.observations import (
    ObservationLayout,
    observation_layout,
    picture_shape,
    read_observation,
)
from sorrel_recurrent_ppo.support.randomness import untouched_random_state

KINDS = ["EmptyEntity", "Wall", "Gem"]


@pytest.mark.parametrize(
    ("input_size", "obs_type", "obs_dim", "picture", "n_scalars"),
    [
        ((3, 5, 7), "auto", None, (3, 5, 7), 0),
        ((3, 5, 7), "image", None, (3, 5, 7), 0),
        ((3, 5, 7), "flattened", None, None, 105),
        ((105,), "auto", None, None, 105),
        (105, "auto", None, None, 105),
        ((1, 105), "auto", None, None, 105),
        ((105, 1), "auto", None, None, 105),
        ((107,), "auto", (3, 5, 7), (3, 5, 7), 2),
        ((1, 107), "image", (3, 5, 7), (3, 5, 7), 2),
        ((107, 1), "flattened", (3, 5, 7), None, 107),
        ((105,), "image", (5, 3, 7), (5, 3, 7), 0),
        ([3, 5, 7], "auto", None, (3, 5, 7), 0),
    ],
)
def test_observation_layout_of_shape_and_settings(
    input_size, obs_type, obs_dim, picture, n_scalars
):
    layout = observation_layout(input_size, obs_type, obs_dim)
    assert (layout.picture, layout.n_scalars) == (picture, n_scalars)
    assert layout.picture_size + layout.n_scalars == layout.size


@pytest.mark.parametrize(
    ("input_size", "obs_type", "obs_dim", "message"),
    [
        ((105,), "image", None, r"input_size=\[105\] does not determine the picture's shape"),
        ((1, 105), "image", None, "set obs_dim="),
        ((3, 5, 7), "auto", (3, 7, 5), r"obs_dim=\[3, 7, 5\] contradicts .*\[3, 5, 7\]"),
        ((104,), "auto", (3, 5, 7), r"obs_dim=\[3, 5, 7\] has 105 values.* only 104"),
        ((0,), "auto", None, "empty observation"),
        ((3, 0, 5), "auto", None, "empty observation"),
        ((-2, -3), "auto", None, "empty observation"),
    ],
)
def test_observation_layout_rejects_invalid_settings(input_size, obs_type, obs_dim, message):
    with pytest.raises(ConfigError, match=message):
        observation_layout(input_size, obs_type, obs_dim)


def test_with_scalars_appends_them():
    layout = ObservationLayout(107, (3, 5, 7)).with_scalars(4)
    assert (layout.picture, layout.n_scalars, layout.size) == ((3, 5, 7), 6, 111)


# --- picture_shape ---


def environment_spec(name: str) -> Any:
    config: Any = OmegaConf.load(config_dir() / "environment" / f"{name}.yaml")
    with untouched_random_state():
        return build_environment(config).agents[0].observation_spec


@pytest.mark.parametrize(
    ("environment", "picture", "n_scalars"),
    [
        ("treasurehunt", (6, 5, 5), 0),
        ("cleanup", (9, 11, 11), 12),
        ("tag", (4, 9, 9), 1),
        ("iowa", (8, 5, 5), 0),
    ],
)
def test_picture_shape_of_sorrels_example_specs(environment, picture, n_scalars):
    spec = environment_spec(environment)
    assert picture_shape(spec) == picture
    assert np.prod(spec.input_size) - np.prod(picture) == n_scalars


@pytest.mark.parametrize("flat", [False, True])
def test_picture_shape_of_rgb_and_one_hot_specs(flat):
    specs: list[Any] = [
        OneHotObservationSpec([*KINDS, "Bone"], False, vision_radius=1),
        RGBObservationSpec(KINDS, False, vision_radius=3),
    ]
    expected = [(4, 3, 3), (3, 7, 7)]
    for spec, picture in zip(specs, expected, strict=True):
        if flat:
            spec.override_input_size((int(np.prod(spec.input_size)),))
        assert picture_shape(spec) == picture


def test_picture_shape_of_full_view_requires_unflattened_spec():
    spec = OneHotObservationSpec(KINDS, True, env_dims=(5, 7))
    assert picture_shape(spec) == (3, 5, 7)
    spec.override_input_size((105,))
    assert picture_shape(spec) is None


def test_picture_shape_of_ascii_spec_is_none():
    assert picture_shape(AsciiObservationSpec(KINDS, False, vision_radius=1)) is None


def test_picture_shape_larger_than_the_spec_is_none():
    spec = OneHotObservationSpec(KINDS, False, vision_radius=2)
    spec.override_input_size((74,))
    assert picture_shape(spec) is None


# --- read_observation ---


@pytest.mark.parametrize(
    "state",
    [
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([1, 2, 3, 4]),
        [1, 2.0, 3, 4],
        torch.tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True),
        torch.tensor([1, 2, 3, 4], dtype=torch.bfloat16),
        torch.tensor([1.0, 2.0, 3.0, 4.0]).to_sparse(),
        torch.tensor([1, 2, 3, 4], dtype=torch.int16),
    ],
    ids=["float64", "int", "list", "tensor", "bfloat16", "sparse", "int16"],
)
def test_read_observation_accepts_any_shape_and_numeric_type(state):
    obs = read_observation(state, 4, "agent 5")
    assert (obs.dtype, obs.tolist()) == (np.float32, [1.0, 2.0, 3.0, 4.0])


def test_read_observation_copies():
    state = np.ones(4, np.float32)
    obs = read_observation(state, 4, "agent 5")
    state[0] = 7
    assert obs[0] == 1


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (np.zeros(3), ValueError, r"has shape \[3\], expected 4 values"),
        (np.zeros((2, 3)), ValueError, r"has shape \[2, 3\], expected 4 values"),
        (np.zeros(0), ValueError, r"has shape \[0\], expected 4 values"),
        ([1, 2, float("nan"), 4], ValueError, "is nan at position 2 of 4"),
        ([1, 2, 3, float("inf")], ValueError, "is inf at position 3 of 4"),
        ([float("inf"), -float("inf"), 3, 4], ValueError, "is inf at position 0 of 4"),
        (None, TypeError, "must be an array of numbers, not NoneType"),
        (7.0, ValueError, r"has shape \[\], expected 4 values"),
        ([None] * 4, TypeError, "must be an array of numbers, not list"),
        (["1", "2", "3", "4"], TypeError, "must be an array of numbers, not list"),
        (np.zeros(4, "datetime64[s]"), TypeError, "must be an array of numbers"),
        (np.zeros(4, [("a", "f4")]), TypeError, "must be an array of numbers"),
        (np.ones(4) + 1j, TypeError, "must be an array of numbers"),
        (torch.ones(4) + 1j, TypeError, "must be an array of numbers, not Tensor"),
        (torch.ones(4, device="meta"), TypeError, "must be an array of numbers, not Tensor"),
        (torch.full((4,), float("nan"), dtype=torch.bfloat16), ValueError, "is nan at position 0"),
        ([1, 1e300, 3, 4], ValueError, r"is 1e\+300 at position 1 of 4.* in single precision"),
        ([10**400] * 4, TypeError, "must be an array of numbers"),
        (np.ma.masked_invalid([1, 2, float("nan"), 4]), ValueError, "at position 2 of 4"),
        (b"abcd", TypeError, "must be an array of numbers, not bytes"),
        ("abcd", TypeError, "must be an array of numbers, not str"),
        ([[1, 2], [3]], TypeError, "must be an array of numbers, not list"),
        ({"a": 1}, TypeError, "must be an array of numbers, not dict"),
    ],
)
def test_read_observation_rejects_invalid_observations(state, error, message):
    with pytest.raises(error, match=f"^agent 5: the observation .*{message}"):
        read_observation(state, 4, "agent 5")


def test_read_observation_accepts_large_finite_values():
    assert read_observation([3e38, 3e38, -3e38, 1], 4, "agent 5")[0] == np.float32(3e38)


class _Spec:
    """A Sorrel observation spec, as far as the picture depends on it."""

    full_view = False

    def __init__(self, input_size, n_kinds, radius):
        self.input_size, self.vision_radius = input_size, radius
        self.entity_map = {str(k): [0.0] * n_kinds for k in range(n_kinds)} if n_kinds else None


@pytest.mark.parametrize(
    ("input_size", "n_kinds", "radius", "picture"),
    [
        ((8, 7, 7), 2, 3, (8, 7, 7)),
        ((8 * 49,), 2, 3, (8, 7, 7)),
        ((1, 33 * 121 + 16), 10, 5, (33, 11, 11)),
        ((9 * 121 + 12,), 9, 5, (9, 11, 11)),
        ([[9, 10, 10]], 3, 2, (9, 10, 10)),
        ((30,), 2, 2, None),
        ((20,), None, 2, None),
    ],
)
def test_picture_shape_follows_from_length_and_window(input_size, n_kinds, radius, picture):
    assert picture_shape(_Spec(input_size, n_kinds, radius)) == picture
