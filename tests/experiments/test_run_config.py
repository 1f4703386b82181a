"""The resolved config of a run."""

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from support.small_runs import small_config


def test_a_config_file_under_its_group_is_an_error_that_names_the_missing_line():
    config = small_config("tag", "lstm_ppo")
    OmegaConf.update(config, "environment.experiment", {"epochs": 3}, force_add=True)
    expected = "environment.experiment instead of experiment: .* must be '# @package _global_'"
    with pytest.raises(ConfigError, match=expected):
        resolve_config(config)
