"""The run's seed, and the agents' seeds."""

import numpy as np
import pytest
from omegaconf import DictConfig

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.population.seeds import agent_seed, run_seed
from sorrel_recurrent_ppo.replacement.apply_schedule import schedule_from_config
from support.random_streams import global_states


def config_of(values):
    return DictConfig(values)


def test_run_seed_is_the_configs():
    assert run_seed(config_of({"seed": 7})) == 7


@pytest.mark.usefixtures("seeded_worlds")
@pytest.mark.parametrize("config", [{}, {"seed": None}])
def test_run_seed_without_one_follows_numpys_state_and_draws_nothing(config):
    before = global_states()
    seed = run_seed(config_of(config))
    assert global_states() == before
    assert run_seed(config_of(config)) == seed
    np.random.rand()  # noqa: NPY002
    assert run_seed(config_of(config)) != seed


@pytest.mark.parametrize("seed", [True, -1, 2.5, "7"])
def test_run_seed_that_is_none_is_an_error_for_models_and_replacements(seed):
    config = config_of({"seed": seed, "replacement": {"mode": "random", "count": 1}})
    message = "^seed must be an integer of at least 0, not"
    with pytest.raises(ConfigError, match=message):
        agent_seed(config, "lstm_ppo", None, 0)
    with pytest.raises(ConfigError, match=message):
        schedule_from_config(config)


def test_model_seed_takes_precedence_and_agents_differ():
    config = config_of({"seed": 7})
    seeds = [agent_seed(config, "lstm_ppo", None, index) for index in range(3)]
    assert len(set(seeds)) == 3
    assert agent_seed(config, "lstm_ppo", 7, 0) == seeds[0]
    assert agent_seed(config_of({"seed": True}), "lstm_ppo", 7, 0) == seeds[0]
    with pytest.raises(ConfigError, match=r"^model.lstm_ppo.seed must be an integer"):
        agent_seed(config, "lstm_ppo", -1, 0)
