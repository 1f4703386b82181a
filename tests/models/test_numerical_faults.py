"""Numbers that are not finite roll back the update and stop the run; extreme finite ones train."""

import math

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.built_experiment import build_seeded
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import population_of
from sorrel_recurrent_ppo.run_files import RunFiles
from support.small_models import MODELS, OBS_SIZE, play, same_weights, small_model, weights
from support.small_runs import small_config

both = pytest.mark.parametrize("name", MODELS)
pytestmark = pytest.mark.usefixtures("own_process")


@pytest.mark.parametrize(
    ("settings", "reward", "term"),
    [
        ({"reward_scaling": False, "normalize_advantage": False}, 1e30, "train/value_loss is inf"),
        ({"learning_rate": 1e38}, 1.0, "train/.* is (nan|inf)|a weight is not finite"),
        ({"reward_scaling": False, "gae_lambda": 1.0, "gamma": 1.0}, 3e38, "train/.* is (nan|inf)"),
    ],
    ids=["loss", "step", "advantages"],
)
def test_update_that_is_not_finite_is_rolled_back_and_named(settings, reward, term, tmp_path):
    model, twin = (small_model("lstm_ppo", **settings) for _ in range(2))
    model.agent_name = "agent 5"
    for one in (model, twin):
        play(one, 20, dones=[6])
        one.learn() if "learning_rate" not in settings else None
        for _ in range(29):
            one.take_action(np.ones(OBS_SIZE))
            one.add_memory_ppo(reward, False)
    message = rf"^agent 5: update {model.n_updates + 1} was rolled back: ({term})"
    with pytest.raises(NumericalError, match=message):
        model.train_step()
    assert same_weights(weights(model), weights(twin))
    np.testing.assert_equal(model.rollout.state_dict(), twin.rollout.state_dict())
    for one in (model, twin):
        one.save(tmp_path / "model.pt")  # loading rejects numbers that are not finite
        one.load(tmp_path / "model.pt")
    states = [one.training_state() for one in (model, twin)]
    assert repr(states[0]) == repr(states[1])


def test_run_stops_and_saves_the_agent_before_the_fault(tmp_path):
    files = RunFiles(tmp_path / "run")
    config = small_config("treasurehunt", "lstm_ppo", "model.lstm_ppo.learning_rate=1e38")
    with pytest.raises(NumericalError, match=r"^agent 0 \(TreasurehuntAgent\): update .*\.pt$"):
        experiment.run_experiment(config, files)
    kept = files.checkpoint("0.before_fault")
    assert kept.is_file()
    env = build_seeded(resolve_config(config))
    assert population_of(env) is not None
    model = env.agents[0].model
    assert isinstance(model, RecurrentPPO)
    model.load(kept)
    assert len(model.memory) >= 10
    with pytest.raises(NumericalError, match="agent 0"):
        model.learn()


@both
@pytest.mark.parametrize("reward", [1e6, -1e6, 1e-6, 1.0, 0.0])
@pytest.mark.parametrize("scaling", [False, True])
def test_extreme_and_constant_rewards_train(name, reward, scaling):
    model = small_model(name, reward_scaling=scaling)
    for t in range(60):
        model.take_action(np.ones(OBS_SIZE))
        model.add_memory_ppo(reward, t % 7 == 6)
        assert np.isfinite(model.train_step())
    assert model.n_updates == 2
    assert all(math.isfinite(value) for value in model.diagnostics.values())
    assert all(value.isfinite().all() for value in weights(model).values())


@both
def test_single_action_and_episodes_of_one_step_train(name):
    model = small_model(name, action_space=1)
    play(model, 29, dones=range(29))
    assert np.isfinite(model.train_step())
    assert model.last_actions[0] == 0
    assert model.diagnostics["train/entropy_loss"] == 0.0


@both
def test_episode_of_thousands_of_steps_trains(name):
    model = small_model(name, rollout_length=3000, sequence_length=500, batch_size=1500, n_epochs=1)
    play(model, 3000)
    assert np.isfinite(model.train_step())
    assert torch.isfinite(torch.from_numpy(model.memory.recurrent_state)).all()


@pytest.mark.parametrize("n_agents", [1, 50])
def test_runs_of_one_and_of_fifty_agents_train(n_agents, tmp_path):
    config = small_config("treasurehunt", "gru_ppo", f"model.num_agents={n_agents}")
    config.world.height = config.world.width = 11
    files = RunFiles(tmp_path / "run")
    summary = experiment.run_experiment(config, files)
    assert summary.steps == 3 * 8 * n_agents
    assert len(list(files.checkpoints.glob("*.pt"))) >= n_agents
