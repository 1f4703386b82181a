"""The settings of a model: defaults, checks and error messages."""

from dataclasses import fields

import numpy as np
import pytest

from sorrel_recurrent_ppo.config_files import model_defaults
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.learning.settings import PPOSettings
from support.small_models import MODELS

both = pytest.mark.parametrize("name", MODELS)


def settings(**changes):
    return PPOSettings.from_mapping({**model_defaults("lstm_ppo"), **changes}, where="model 'x'")


@both
def test_packaged_defaults_are_complete_and_valid(name):
    defaults = model_defaults(name)
    assert set(defaults) == {field.name for field in fields(PPOSettings)}
    assert PPOSettings.from_mapping(defaults).hidden_size == 256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be an integer of at least 1, not 0"),
        ({"hidden_size": 2.0}, "hidden_size must be an integer of at least 1, not 2.0"),
        ({"hidden_size": True}, "hidden_size must be an integer of at least 1, not True"),
        ({"hidden_size": "64"}, "hidden_size must be an integer of at least 1, not '64'"),
        ({"layer_size": -3}, "layer_size must be an integer of at least 1"),
        ({"rollout_length": 0}, "rollout_length must be an integer of at least 1, not 0"),
        ({"rollout_length": -1}, "rollout_length must be an integer of at least 1, not -1"),
        ({"rollout_length": False}, "rollout_length must be an integer of at least 1, not False"),
        ({"rollout_length": 2.0}, "rollout_length must be an integer of at least 1, not 2.0"),
        ({"rollout_length": "null"}, "rollout_length must be an integer of at least 1, not 'null'"),
        ({"rollout_length": [5, None]}, "rollout_length must be an integer of at least 1"),
        ({"n_epochs": 0}, "n_epochs"),
        ({"batch_size": None}, "batch_size"),
        ({"burn_in": -1}, "burn_in must be an integer of at least 0"),
        ({"entropy_decay_steps": 0}, "entropy_decay_steps"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0.0, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": "1e-3"}, "learning_rate must be a number above 0.0, not '1e-3'"),
        ({"learning_rate_end_factor": 0.0}, "learning_rate_end_factor"),
        ({"learning_rate_end_factor": 1.1}, "above 0.0 and at most 1.0, not 1.1"),
        ({"clip_range": 0.0}, "clip_range must be a number above 0.0"),
        ({"clip_range": float("inf")}, "clip_range"),
        ({"clip_range_vf": -0.2}, "clip_range_vf"),
        ({"target_kl": 0}, "target_kl"),
        ({"max_grad_norm": 0}, "max_grad_norm"),
        ({"entropy_start": -0.1}, "entropy_start must be a number at least 0.0"),
        ({"value_coef": -1}, "value_coef"),
        ({"uniform_kl_coef": -0.1}, "uniform_kl_coef must be a number at least 0.0, not -0.1"),
        ({"learning_rate": 10**400}, "learning_rate must be a number above 0.0"),
        ({"action_dims": []}, r"action_dims must be a list of integers, not \[\]"),
        ({"action_dims": b"6"}, "action_dims must be a list of integers, not b'6'"),
        ({"gamma": 1.01}, "gamma must be a number at least 0.0 and at most 1.0, not 1.01"),
        ({"gae_lambda": -0.1}, "gae_lambda"),
        ({"obs_type": "pictures"}, "obs_type cannot be 'pictures'.* Valid: auto, image, flattened"),
        ({"obs_type": "imge"}, r"Did you mean 'image'\?"),
        ({"epoch_end": None}, "epoch_end cannot be None.* Valid: truncation, terminal"),
        ({"layer_norm": 1}, "layer_norm must be true or false, not 1"),
        ({"reward_scaling": "yes"}, "reward_scaling must be true or false"),
        ({"previous_action_reward": None}, "previous_action_reward must be true or false"),
        ({"normalize_advantage": 0}, "normalize_advantage must be true or false"),
        ({"obs_dim": [3, 5]}, r"obs_dim must be \[channels, height, width\], not \[3, 5\]"),
        ({"obs_dim": "3,5,5"}, "obs_dim must be a list of integers"),
        ({"obs_dim": [3, 0, 5]}, "obs_dim .each of them. must be an integer of at least 1"),
        ({"action_dims": 6}, "action_dims must be a list of integers, not 6"),
        ({"action_dims": [3, 0.5]}, "action_dims .each of them. must be an integer"),
        ({"hiden_size": 5}, r"has no parameter 'hiden_size'. Did you mean 'hidden_size'\?"),
    ],
)
def test_settings_reject_invalid_values(changes, message):
    with pytest.raises(ConfigError, match=f"^model 'x'.*{message}"):
        settings(**changes)


def test_from_mapping_names_missing_parameters():
    values = model_defaults("lstm_ppo")
    del values["gamma"], values["burn_in"]
    with pytest.raises(ConfigError, match="is missing the parameters burn_in, gamma"):
        PPOSettings.from_mapping(values)


def test_settings_convert_lists_to_tuples_and_are_hashable():
    one, other = (settings(obs_dim=[2, 3, 5], action_dims=[3, 2]) for _ in range(2))
    assert (one.obs_dim, one.action_dims) == ((2, 3, 5), (3, 2))
    assert hash(one) == hash(other)


def test_settings_accept_the_limits_of_ranges():
    edges = settings(gamma=1, gae_lambda=0, entropy_start=0, rollout_length=1, sequence_length=1)
    assert (edges.gamma, edges.rollout_length) == (1, 1)
    assert settings(rollout_length=None, sequence_length=10**6).rollout_length is None


def test_settings_convert_numbers_of_numpy():
    plain = settings(hidden_size=np.int64(5), gamma=np.float32(0.5), obs_dim=[np.int64(2), 3, 5])
    assert (plain.hidden_size, plain.gamma, plain.obs_dim) == (5, 0.5, (2, 3, 5))
    numbers = (plain.hidden_size, plain.gamma, *(plain.obs_dim or ()))
    assert [type(number) for number in numbers] == [int, float, int, int, int]
