"""Learning of a task that requires memory, by an unmodified Sorrel agent: see `cue_task`."""

import numpy as np
import pytest

from support.cue_task import CueEnv, play_epoch, steps_to_learn
from support.small_models import MODELS

both = pytest.mark.parametrize("name", MODELS)
SMALL = {"hidden_size": 32, "rollout_length": 256, "batch_size": 64, "learning_rate": 3e-3}
TRIAL_LENGTH = 5


def make(name, trial_length, seed, **settings):
    def make_model(spec, actions):
        return MODELS[name](spec.input_size, actions.n_actions, seed=seed, **settings)

    return CueEnv(make_model, trial_length, seed)


def test_cue_task_shows_the_cue_only_in_the_first_turn():
    env = make("lstm_ppo", TRIAL_LENGTH, 1, **SMALL)
    memory = env.agents[0].model.memory
    play_epoch(env, forgetful=False)
    trials = memory.states[: len(memory)].reshape(-1, TRIAL_LENGTH, 45)
    assert len(trials) == 20
    assert len({trial[0].tobytes() for trial in trials}) == 2
    for later in range(1, TRIAL_LENGTH):
        assert len({trial[later].tobytes() for trial in trials}) == 1
    rewards = memory.rewards[: len(memory)].reshape(-1, TRIAL_LENGTH)
    assert (rewards[:, :-1] == 0).all()
    assert set(rewards[:, -1].tolist()) == {-1.0, 0.0, 1.0}
    dones = memory.dones[: len(memory)].reshape(-1, TRIAL_LENGTH)
    assert dones.tolist() == [[0, 0, 0, 0, 1]] * 20


@both
def test_small_model_learns_a_short_task(name):
    assert steps_to_learn(make(name, 4, 1, **SMALL), max_steps=8_000, success=0.95) is not None


@both
def test_small_model_without_its_state_does_not_learn(name):
    env = make(name, 4, 1, **SMALL)
    outcomes: list[float] = []
    while len(outcomes) < 1_600:
        outcomes += play_epoch(env, forgetful=True)
    assert np.mean(np.array(outcomes[-800:]) > 0) < 0.6


@pytest.mark.slow
@both
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_packaged_defaults_learn_the_task(name, seed):
    env = make(name, TRIAL_LENGTH, seed)
    assert steps_to_learn(env, max_steps=60_000, success=0.95) is not None


@pytest.mark.slow
@both
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_packaged_defaults_without_their_state_do_not_learn(name, seed):
    env = make(name, TRIAL_LENGTH, seed)
    outcomes: list[float] = []
    while len(outcomes) < 60_000 / TRIAL_LENGTH:
        outcomes += play_epoch(env, forgetful=True)
    assert max(np.convolve(np.array(outcomes) > 0, np.ones(1_000) / 1_000, "valid")) < 0.6
