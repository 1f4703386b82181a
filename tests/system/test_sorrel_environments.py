"""Agents of Sorrel's examples with the package's models: training, statistics and memories."""

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.policy.observations import picture_shape
from sorrel_recurrent_ppo.support.instance_overrides import override
from sorrel_recurrent_ppo.support.randomness import untouched_random_state
from support.small_models import MODELS, same_weights, weights

TURNS = 7
OVERRIDES = {
    "treasurehunt": ["world.height=7", "world.width=7", "world.spawn_prob=0.2"],
    "cleanup": ["env.height=11", "env.width=11", "agent.agent.num=2", "env.initial_apples=5"],
    "tag": ["world.height=7", "world.width=7", "agent.num_agents=3"],
    "iowa": ["world.height=7", "world.width=7"],
}
both = pytest.mark.parametrize("name", MODELS)
everywhere = pytest.mark.parametrize("environment", OVERRIDES)


@pytest.fixture(autouse=True)
def seeded():
    """Seed the streams of Sorrel's worlds, and restore them afterwards."""
    with untouched_random_state():
        np.random.seed(13)  # noqa: NPY002
        yield


class RecordingLogger(Logger):
    def __init__(self):
        super().__init__(max_epochs=0)
        self.steps: list[Any] = []

    def record_step(self, stats):
        self.steps.append(stats)

    def record_turn(self, *args, **kwargs):
        pass

    def record_epoch(self, *args, **kwargs):
        pass


def make(environment, name, *overrides, **settings):
    """Build an example environment and give each agent a recurrent PPO model."""
    packaged = OmegaConf.load(config_dir() / "environment" / f"{environment}.yaml")
    dotlist = [f"experiment.max_turns={TURNS}", "experiment.epochs=2"]
    config: Any = OmegaConf.merge(
        packaged, OmegaConf.from_dotlist([*dotlist, *OVERRIDES[environment], *overrides])
    )
    env: Any = build_environment(config)
    for index, agent in enumerate(env.agents):
        spec = agent.observation_spec
        extra_data = agent.model.memory.extra_data
        agent.model = MODELS[name](
            spec.input_size,
            agent.action_spec.n_actions,
            seed=index,
            obs_dim=picture_shape(spec),
            **{"hidden_size": 5, "rollout_length": 2 * TURNS, "sequence_length": 3, **settings},
        )
        for key, array in extra_data.items():
            shape = (agent.model.memory.capacity, *array.shape[1:])
            agent.model.memory.extra_data[key] = np.zeros(shape, array.dtype)
    return env


@both
@everywhere
def test_run_experiment_fills_rollouts_and_trains(environment, name, tmp_path):
    env = make(environment, name)
    models = [agent.model for agent in env.agents]
    before = [weights(model) for model in models]
    logger = RecordingLogger()
    env.run_experiment(animate=False, logger=logger, output_dir=tmp_path)
    for model, old in zip(models, before, strict=True):
        # Three epochs of 7 turns: an update after the second, then one more epoch.
        assert (model.n_updates, model.num_timesteps, len(model.memory)) == (1, 21, TURNS)
        assert model.memory.episode_starts[:TURNS].tolist() == [t == 0 for t in range(TURNS)]
        assert model.memory.episode_ends[TURNS - 1]
        assert model.memory.pending is None
        assert not any(torch.equal(old[key], value) for key, value in weights(model).items())


def test_turn_statistics_equal_the_stored_steps(tmp_path):
    env = make("treasurehunt", "lstm_ppo")
    logger = RecordingLogger()
    env.run_experiment(animate=False, logger=logger, output_dir=tmp_path)
    last_epoch = logger.steps[-TURNS:]
    for index, agent in enumerate(env.agents):
        stats = [turn.agent_stats[index] for turn in last_epoch]
        logged = [(step.last_action, step.last_reward) for step in stats]
        memory = agent.model.memory
        stored = zip(memory.actions[:TURNS].tolist(), memory.rewards[:TURNS].tolist(), strict=True)
        assert logged == list(stored)
    total = sum(agent.model.memory.rewards[:TURNS].sum() for agent in env.agents)
    assert total == pytest.approx(env.world.total_reward)


@everywhere
def test_rollout_stores_the_agents_observations(environment):
    env = make(environment, "lstm_ppo")
    seen: list[np.ndarray] = []
    agent = env.agents[0]

    def pov(agent, world):
        seen.append(type(agent).pov(agent, world))
        return seen[-1]

    override(agent, "pov", pov)
    env.reset()
    for _ in range(TURNS):
        env.take_turn()
    stored = agent.model.memory.states[:TURNS].reshape(TURNS, -1)
    np.testing.assert_array_equal(stored, np.concatenate(seen).astype(np.float32))
    spec = agent.observation_spec
    assert agent.model.layout.size == np.prod(spec.input_size)
    assert agent.model.layout.n_scalars == {"cleanup": 12, "tag": 1}.get(environment, 0)


def test_rollout_stores_the_agents_positions():
    env = make("treasurehunt", "lstm_ppo")
    positions = []
    env.reset()
    for _ in range(TURNS):
        env.take_turn()
        positions.append(list(env.agents[0].location[:2]))
    assert env.agents[0].model.memory.extra_data["positions"][:TURNS].tolist() == positions


@everywhere
def test_generate_memories_saves_each_game_once_without_training(environment, tmp_path):
    env = make(environment, "lstm_ppo")
    models = [agent.model for agent in env.agents]
    before = [weights(model) for model in models]
    n_games = 3
    env.generate_memories(num_games=n_games, output_dir=tmp_path)
    for index, (model, old) in enumerate(zip(models, before, strict=True)):
        with np.load(tmp_path / "memories" / f"agent{index}.npz") as saved:
            assert saved["states"].shape[0] == n_games * TURNS
            last = slice((n_games - 1) * TURNS, n_games * TURNS)
            assert len(model.memory) == TURNS  # the last game
            for key in ("states", "actions", "rewards", "dones"):
                assert saved[key][last].tolist() == getattr(model.memory, key)[:TURNS].tolist()
            games = saved["states"].reshape(n_games, TURNS, -1)
            assert len({game.tobytes() for game in games}) == n_games
            if environment == "treasurehunt":
                assert (saved["positions"] > 0).all()
        assert same_weights(weights(model), old)
        model.train()
        assert len(model.memory) == 0
        assert model.num_timesteps == 0


@both
def test_training_is_unaffected_by_generate_memories(name, tmp_path):
    def diagnostics(*, with_games):
        np.random.seed(13)  # noqa: NPY002
        env = make("treasurehunt", name)
        env.run_experiment(animate=False, logging=False, output_dir=tmp_path)
        if with_games:
            world_stream = np.random.get_state()  # noqa: NPY002
            env.generate_memories(num_games=2, output_dir=tmp_path)
            np.random.set_state(world_stream)  # noqa: NPY002
            for agent in env.agents:
                agent.model.train()
        env.run_experiment(animate=False, logging=False, output_dir=tmp_path)
        return [agent.model.diagnostics for agent in env.agents]

    assert diagnostics(with_games=True) == diagnostics(with_games=False)
