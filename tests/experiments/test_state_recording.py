"""Recording of observations, actions and recurrent states."""

import copy

import numpy as np
import pytest
import torch

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.built_experiment import build_seeded
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.experiments.state_recording import StateSink
from sorrel_recurrent_ppo.models.base import RecurrentPPO
from sorrel_recurrent_ppo.population.members import population_of
from sorrel_recurrent_ppo.recording.recorded_states import CELL_STATES, PER_STEP, load_states
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from support.small_runs import run, small_config, weights, without_times

pytestmark = pytest.mark.usefixtures("own_process")

RECORDED = ["record_states=true", "experiment.record_period=2"]


def recorded(tmp_path, environment="treasurehunt", model="lstm_ppo", *overrides):
    files, _ = run(tmp_path / "run", environment, model, *RECORDED, *overrides)
    return files


def small_env(model="lstm_ppo", *overrides):
    config = small_config("treasurehunt", model, *RECORDED, *overrides)
    env = build_seeded(resolve_config(config))
    population = population_of(env)
    assert population is not None
    return env, population


def epoch_record(epoch):
    return EpochRecord(epoch, 0.0, 0.0, 0.0, 16, 16, 1.0, {}, [])


def play(env, population, sink, epoch):
    """Run one epoch as Sorrel's runner does, without training."""
    population.epoch, population.running = epoch - 1, True
    env.reset()
    for agent in env.agents:
        agent.model.start_epoch_action(epoch=epoch)
    while env.turn < env.config.experiment.max_turns:
        env.take_turn()
    sink.write(epoch_record(epoch))


@pytest.mark.parametrize("environment", ["treasurehunt", "cleanup", "tag", "iowa"])
def test_recorded_rewards_and_turns_match_the_run(environment, tmp_path):
    files = recorded(tmp_path, environment)
    agents = read_columns(files.agents)
    for path in files.recorded.iterdir():
        states = load_states(path)
        assert states.subject.agent == path.stem
        assert states.epochs == [0, 2]
        own = agents["agent"] == path.stem
        rewards = as_numbers(agents["reward"][own])
        for epoch in (0, 2):
            steps = states.of_epoch(epoch).steps
            assert steps["turns"].tolist() == list(range(1, 9))
            assert steps["rewards"].sum() == pytest.approx(rewards[epoch])
    assert len(list(files.recorded.iterdir())) == len(set(agents["agent"]))


@pytest.mark.parametrize("model", ["lstm_ppo", "gru_ppo"])
def test_recording_does_not_affect_the_run(model, tmp_path):
    with_states, _ = run(tmp_path / "with", "treasurehunt", model, *RECORDED)
    without, _ = run(tmp_path / "without", "treasurehunt", model)
    assert without_times(with_states.metrics) == without_times(without.metrics)
    assert without_times(with_states.agents) == without_times(without.agents)
    for agent in ("0", "1"):
        recorded_weights, plain_weights = (
            weights(files.checkpoint(agent)) for files in (with_states, without)
        )
        assert recorded_weights.keys() == plain_weights.keys()
        assert all(
            torch.equal(recorded_weights[key], plain_weights[key]) for key in recorded_weights
        )


@pytest.mark.parametrize("model", ["lstm_ppo", "gru_ppo"])
def test_recorded_states_and_values_match_the_policy(model, tmp_path):
    env, population = small_env(model)
    files = RunFiles(tmp_path)
    sink = StateSink(population, files, period=2, limit=1)
    play(env, population, sink, 0)
    sink.close()
    for index, agent in enumerate(env.agents):
        states = load_states(files.recorded_states(str(index)))
        assert isinstance(agent.model, RecurrentPPO)
        steps, policy = states.steps, agent.model.policy
        hidden = torch.from_numpy(steps["hidden_states"])
        with torch.no_grad():
            np.testing.assert_allclose(
                policy.heads.critic(hidden)[:, 0].numpy(), steps["values"], rtol=1e-4, atol=1e-5
            )
            inputs = torch.from_numpy(steps["observations"])[:, None]
            start = policy.core.zero_state(1, "cpu")
            recomputed = policy.core(policy.features(inputs[:, 0])[:, None], start)[:, 0]
        np.testing.assert_allclose(recomputed.numpy(), steps["hidden_states"], rtol=1e-4, atol=1e-5)
        rollout = agent.model.memory
        assert steps["actions"].tolist() == rollout.actions[:8].tolist()
        np.testing.assert_array_equal(steps["log_probs"], rollout.log_probs[:8].sum(axis=1))
        assert steps["episode_starts"].tolist() == [True] + [False] * 7
        if model == "lstm_ppo":
            flat_state = np.concatenate((steps["hidden_states"][-1], steps[CELL_STATES][-1]))
            np.testing.assert_array_equal(flat_state, rollout.recurrent_state)
        else:
            assert CELL_STATES not in steps


def test_recorded_file_loads_without_pickle_and_names_its_agent(tmp_path):
    files = recorded(tmp_path)
    with np.load(files.recorded_states("1"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file}
    assert {*PER_STEP, CELL_STATES} < arrays.keys()
    assert all(len(arrays[name]) == 16 for name in PER_STEP)
    assert arrays["observations"].shape == (16, 150)
    assert arrays["hidden_states"].shape == arrays[CELL_STATES].shape == (16, 8)
    assert (str(arrays["agent"]), str(arrays["model"])) == ("1", "lstm_ppo")
    assert arrays["picture"].tolist() == [6, 5, 5]
    assert arrays["channels"].tolist() == ["", "Wall", "Gem", "Bone", "Food", "TreasurehuntAgent"]
    assert arrays["action_names"].tolist() == ["up", "down", "left", "right"]
    assert arrays["action_dims"].tolist() == [4]


def test_animate_draws_each_agents_view_at_the_record_period(tmp_path):
    files = recorded(tmp_path, "cleanup", "gru_ppo", "experiment.animate=true")
    drawn = sorted(path.name for path in files.inspection.iterdir())
    assert drawn == [f"agent{i}_epoch{epoch}_view.gif" for i in range(3) for epoch in (0, 2)]


def test_recording_is_off_by_default(tmp_path):
    files, _ = run(tmp_path / "run")
    assert not files.recorded.exists()


def test_state_sink_skips_models_without_hidden_state_with_a_warning(tmp_path, caplog):
    files = recorded(tmp_path, "treasurehunt", "lstm_ppo", "model.type=[lstm_ppo,iqn]")
    assert [path.name for path in files.recorded.iterdir()] == ["0.npz"]
    assert "nothing of agent 1: its model, iqn, has no hidden state" in caplog.text


def test_newcomer_gets_its_own_file(tmp_path):
    replaced = ["replacement=cohort", "replacement.epochs=[1]", "replacement.count=1"]
    files = recorded(tmp_path, "treasurehunt", "lstm_ppo", *replaced)
    epochs = {path.stem: load_states(path).epochs for path in files.recorded.iterdir()}
    assert epochs == {"0": [0], "1": [0, 2], "2": [2]}


def test_state_sink_discards_the_oldest_epochs_beyond_the_limit(tmp_path, caplog):
    env, population = small_env()
    files = RunFiles(tmp_path)
    sink = StateSink(population, files, period=2, limit=1)
    play(env, population, sink, 0)
    (one,) = {load_states(files.recorded_states(name)).n_bytes for name in ("0", "1")}
    sink._limit = 3 * one
    for epoch in range(2, 12, 2):
        play(env, population, sink, epoch)
    assert load_states(files.recorded_states("0")).epochs == [6, 8, 10]
    assert caplog.text.count("the oldest epochs are dropped") == 1
    sink._limit = 1
    play(env, population, sink, 12)
    assert load_states(files.recorded_states("0")).epochs == [12]


def test_state_sink_of_a_resumed_run_keeps_the_earlier_epochs(tmp_path):
    files = RunFiles(tmp_path)
    env, population = small_env()
    first = StateSink(population, files, period=2, limit=100)
    for epoch in (0, 2, 4):
        play(env, population, first, epoch)
    first.close()
    before = load_states(files.recorded_states("0"))
    resumed = StateSink(population, files, period=2, limit=100)
    play(env, population, resumed, 2)
    after = load_states(files.recorded_states("0"))
    assert after.epochs == [0, 2]
    for name, array in before.of_epoch(0).steps.items():
        np.testing.assert_array_equal(array, after.of_epoch(0).steps[name])


def test_close_discards_an_unfinished_epoch_and_removes_the_override(tmp_path):
    env, population = small_env()
    sink = StateSink(population, RunFiles(tmp_path), period=2, limit=1)
    population.running = True
    env.reset()
    env.take_turn()
    rollout = env.agents[0].model.memory
    assert "add" in vars(rollout)
    sink.close()
    assert "add" not in vars(rollout)
    assert population.epoch_start_callbacks == []
    assert list(tmp_path.iterdir()) == []


def test_copied_environment_does_not_record_into_the_original(tmp_path):
    env, population = small_env()
    sink = StateSink(population, RunFiles(tmp_path), period=2, limit=1)
    population.running = True
    env.reset()
    twin = copy.deepcopy(env)
    for _ in range(3):
        twin.take_turn()
    assert [len(recording) for recording in sink._running] == [0, 0]
    sink.close()


def test_record_states_limit_must_be_positive(tmp_path):
    with pytest.raises(ConfigError, match="record_states_limit must be an integer"):
        recorded(tmp_path, "treasurehunt", "lstm_ppo", "record_states_limit=0")
