"""Learning cue_recall with memory, and chance level without it."""

import numpy as np
import pytest
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.support.instance_overrides import override
from support.small_models import MODELS
from support.sorrel_examples import make_environment

pytestmark = pytest.mark.usefixtures("seeded_worlds")

EPOCH_TURNS = 200
SMALL = {"hidden_size": 32, "rollout_length": 400, "learning_rate": 3e-3}
TINY = ("world.corridor=2", f"experiment.max_turns={EPOCH_TURNS}")
both = pytest.mark.parametrize("name", MODELS)


def make(name, *overrides, forgetful=False, **settings):
    """Build the environment with a new model; a forgetful one acts from a zero state."""
    environment = make_environment("cue_recall", *overrides)
    agent = environment.agents[0]
    spec = agent.observation_spec
    model = MODELS[name](spec.input_size, agent.action_spec.n_actions, seed=1, **settings)
    agent.model = model
    if forgetful:
        override(model, "take_action", take_action_from_zero_state)
    return environment


def take_action_from_zero_state(model, state):
    model._current_hidden = None
    return type(model).take_action(model, state)


def train(environment, n_steps, directory):
    """Train for more steps; return the success rate of the trials in the second half of them."""
    n_epochs = n_steps // EPOCH_TURNS
    environment.config.experiment.epochs = n_epochs - 1
    logger = Logger(n_epochs)
    environment.run_experiment(animate=False, logger=logger, output_dir=directory)
    rates, trials = (
        np.array(logger.additional_values[key][n_epochs // 2 :])
        for key in ("success_rate", "trials")
    )
    return float((rates * trials).sum() / trials.sum())


def steps_to_success(environment, max_steps, directory, *, success=0.98, interval=4_000):
    """Return the number of steps until half an interval reaches a success rate, if ever."""
    for steps in range(interval, max_steps + 1, interval):
        if train(environment, interval, directory) >= success:
            return steps
    return None


@both
def test_small_model_learns_a_short_corridor(name, tmp_path):
    environment = make(name, *TINY, **SMALL)
    assert steps_to_success(environment, 16_000, tmp_path, success=0.95) is not None


@both
def test_small_model_without_its_state_stays_at_chance(name, tmp_path):
    environment = make(name, *TINY, forgetful=True, **SMALL)
    assert train(environment, 8_000, tmp_path) < 0.6


@pytest.mark.slow
@both
def test_packaged_defaults_reach_98_percent(name, tmp_path):
    assert steps_to_success(make(name), 60_000, tmp_path) is not None


@pytest.mark.slow
@both
def test_packaged_defaults_without_state_stay_at_chance(name, tmp_path):
    environment = make(name, forgetful=True)
    for _ in range(5):
        assert 0.4 < train(environment, 8_000, tmp_path) < 0.6


@pytest.mark.slow
@both
def test_packaged_defaults_remember_for_fifty_steps(name, tmp_path):
    environment = make(name, "world.corridor=50")
    assert steps_to_success(environment, 100_000, tmp_path, interval=10_000) is not None


@pytest.mark.slow
@both
def test_packaged_defaults_without_state_stay_at_chance_in_a_long_corridor(name, tmp_path):
    environment = make(name, "world.corridor=50", forgetful=True)
    train(environment, 10_000, tmp_path)
    assert 0.3 < train(environment, 30_000, tmp_path) < 0.7
