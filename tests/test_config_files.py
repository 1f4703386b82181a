"""The packaged defaults of the models."""

import pytest

from sorrel_recurrent_ppo.config_files import config_dir, model_defaults
from sorrel_recurrent_ppo.errors import ConfigError


def test_model_defaults_are_returned_as_copies():
    model_defaults("lstm_ppo")["hidden_size"] = 3
    assert model_defaults("lstm_ppo")["hidden_size"] == 256


def test_config_dir_contains_the_models():
    assert (config_dir() / "model" / "lstm_ppo.yaml").is_file()


def test_model_defaults_of_an_unknown_model_suggest_the_closest_name():
    with pytest.raises(ConfigError, match=r"model 'ltsm_ppo'.*Did you mean 'lstm_ppo'\?"):
        model_defaults("ltsm_ppo")
