"""Sorrel's environments, and a stranger's, honour the model in their config."""

import copy
import functools
import inspect
import itertools
import logging
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from sorrel.agents import Agent
from sorrel.environment import Environment
from sorrel.examples.chess.agents import make_random_chess_agent
from sorrel.examples.chess.env import ChessEnvironment
from sorrel.examples.chess.world import Chessboard
from sorrel.models.pytorch import PyTorchDQN, PyTorchIQN
from sorrel.utils.logging import Logger, TensorboardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.population.members import population_of
from support.strange_environment import (
    Forager,
    HunterAgent,
    StrangeEnvironment,
    strange_environment,
)

CLASSES = {
    "gru_ppo": DualHeadRecurrentPPO,
    "lstm_ppo": RecurrentPPOLSTM,
    "iqn": PyTorchIQN,
    "dqn": PyTorchDQN,
}
SMALL = {"hidden_size": 8, "rollout_length": 10, "sequence_length": 5, "batch_size": 5}
EXAMPLES = {
    "treasurehunt": ["world.height=7", "world.width=7", "world.spawn_prob=0.1"],
    "cleanup": [
        "agent.agent.num=2",
        "agent.agent.model=iqn",
        "env.height=10",
        "env.width=9",
        "env.initial_apples=1",
    ],
    "tag": ["agent.num_agents=3", "world.height=7", "world.width=7"],
    "iowa": ["world.height=7", "world.width=7"],
    "treasurehunt_threadsafe": [
        "world.height=7",
        "world.width=7",
        "environment.env_class=sorrel.examples.treasurehunt_threadsafe.env.TreasurehuntEnv",
    ],
}
CONFIG_OF = {"treasurehunt_threadsafe": "treasurehunt"}


@pytest.fixture(autouse=True)
def _uninstalled():
    """Start and end without the swap, whatever other tests have left behind."""
    uninstall()
    yield
    uninstall()


@pytest.fixture
def swapped():
    """Install the swap for one test."""
    install()


def example(name: str, *overrides: str) -> Any:
    """Build a small Sorrel environment with its packaged config."""
    packaged = OmegaConf.load(config_dir() / "environment" / f"{CONFIG_OF.get(name, name)}.yaml")
    parameters = [f"model.{m}.{k}={v}" for m in ("gru_ppo", "lstm_ppo") for k, v in SMALL.items()]
    settings = ["experiment.epochs=2", "experiment.max_turns=6", *EXAMPLES[name], *parameters]
    config = OmegaConf.merge(packaged, OmegaConf.from_dotlist([*settings, *overrides]))
    assert isinstance(config, DictConfig)
    return build_environment(config)


def run(env: Any, folder: Path, logger: Logger | None = None) -> Logger:
    logger = logger or Logger(env.config.experiment.epochs)
    env.run_experiment(animate=False, logger=logger, output_dir=folder)
    return logger


def models(env: Any) -> list[Any]:
    return [agent.model for agent in env.agents]


def weights(model: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def global_random_states() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - looked at, not drawn from
    return random.getstate(), pickle.dumps(numpy_state), torch.get_rng_state().tolist()


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


@pytest.fixture
def same_entropy(monkeypatch):
    """Give Sorrel's environments, which seed models by ``torch.random.seed()``, fixed seeds."""

    def restart():
        seeds = itertools.count(100)

        def seed():
            value = next(seeds)
            torch.manual_seed(value)
            return value

        monkeypatch.setattr(torch.random, "seed", seed)
        seed_everything(7)

    return restart


class TestSorrelsExamples:
    @pytest.mark.parametrize("model", ["gru_ppo", "lstm_ppo"])
    @pytest.mark.parametrize("name", EXAMPLES)
    def test_each_trains_our_models(self, swapped, name, model, tmp_path):
        env = example(name, f"model.type={model}")
        before = [weights(m).clone() for m in models(env)]
        assert [type(m) for m in models(env)] == [CLASSES[model]] * len(env.agents)
        assert len({id(m) for m in models(env)}) == len(env.agents)
        logger = run(env, tmp_path)
        assert len(logger.rewards) == 3
        assert all(m.n_updates >= 1 for m in models(env))
        assert not any(torch.equal(weights(m), b) for m, b in zip(models(env), before, strict=True))
        assert all(m.diagnostics["train/n_updates"] >= 1 for m in models(env))
        assert "train/n_updates" in logger.additional_values

    def test_cleanup_by_the_kind_of_agent(self, swapped):
        env = example("cleanup", "agent.agent.model=gru_ppo")
        assert [type(m) for m in models(env)] == [DualHeadRecurrentPPO] * 2

    def test_an_agent_that_never_asks_its_model_is_named_when_a_reward_arrives(self, swapped):
        env = ChessEnvironment(Chessboard(), {"model": {"type": "lstm_ppo"}})
        with pytest.raises(RuntimeError, match=r"agent 0 \(RandomChess.*without a pending action"):
            env.agents[0].transition(env.world)

    def test_picture_with_scalars_is_read_from_the_spec(self, swapped):
        env = example("cleanup", "model.type=lstm_ppo")
        assert models(env)[0].settings.obs_dim == (9, 11, 11)
        assert models(env)[0].layout.n_scalars == 12


@pytest.mark.parametrize("key", ["model.type", "model.lstm_ppo.hidden_size", "replacement"])
def test_a_key_that_cannot_be_resolved_is_named(key, swapped):
    overrides = ["model.type=lstm_ppo", f"{key}=${{nowhere}}"]
    with pytest.raises(ConfigError, match=rf"the config key '{key}' cannot be resolved: .*nowhere"):
        example("treasurehunt", *overrides)


class TestUnmanagedEnvironments:
    @pytest.mark.parametrize(
        ("name", "overrides"),
        [
            ("treasurehunt", []),
            ("cleanup", []),
            ("treasurehunt", ["model.type=iRainbowModel"]),
            ("iowa", ["agent.agent.model=iqn"]),
        ],
    )
    def test_nothing_changes_bit_for_bit(self, same_entropy, name, overrides, tmp_path):
        results = []
        for installed in (False, True):
            if installed:
                install()
            same_entropy()
            env = example(name, *overrides)
            attributes = sorted(vars(env)), [sorted(vars(agent)) for agent in env.agents]
            logger = run(env, tmp_path)
            uninstall()
            trained = [weights(m).tolist() for m in models(env)]
            record = logger.losses, logger.rewards, logger.additional_values
            results.append((attributes, trained, repr(record), global_random_states()))
            assert population_of(env) is None
        assert results[0] == results[1]

    def test_our_models_change_what_the_test_above_compares(self, same_entropy, tmp_path):
        same_entropy()
        plain = example("treasurehunt")
        install()
        same_entropy()
        changed = example("treasurehunt", "model.type=lstm_ppo")
        uninstall()
        assert set(vars(changed)) - set(vars(plain)) == {
            "_recurrent_ppo_population",
            "reset",
            "run_experiment",
            "take_turn",
            "generate_memories",
        }


STRANGE = {"gru_ppo": SMALL, "lstm_ppo": SMALL}


class TestAStrangersEnvironment:
    @pytest.mark.parametrize(
        ("config", "names"),
        [
            ({"model": "lstm_ppo"}, ["lstm_ppo"] * 3),
            ({"model": {"type": "gru_ppo", **STRANGE}}, ["gru_ppo"] * 3),
            ({"model": {"model_type": "lstm_ppo", **STRANGE}}, ["lstm_ppo"] * 3),
            ({"model": ["gru_ppo", "iqn", "lstm_ppo"]}, ["gru_ppo", "iqn", "lstm_ppo"]),
            (
                {"model": {"type": ["dqn", "gru_ppo", "lstm_ppo"], **STRANGE}},
                ["dqn", "gru_ppo", "lstm_ppo"],
            ),
            (
                {"agent": {"someone": {"model": "gru_ppo"}}, "model": STRANGE},
                ["gru_ppo"] * 3,
            ),
            (
                {
                    "agent": {"forager": {"model": "gru_ppo"}, "hunter": {"model": "lstm_ppo"}},
                    "model": {"gru_ppo": {"parameters": SMALL}},
                },
                ["gru_ppo", "gru_ppo", "lstm_ppo"],
            ),
            (
                {"agent": {"forager": {"model": ["lstm_ppo", "dqn"]}}, "model": STRANGE},
                ["lstm_ppo", "dqn", "iqn"],
            ),
        ],
    )
    def test_each_spelling_trains(self, swapped, config, names):
        env = strange_environment(**config)
        assert [type(m) for m in models(env)] == [CLASSES[name] for name in names]
        living, before = models(env), [weights(m).clone() for m in models(env)]
        bodies = list(env.agents)
        rewards = env.run_experiment(30)
        assert len(rewards) == 30
        assert all(m is was for m, was in zip(models(env), living, strict=True))
        assert not any(body in env.agents for body in bodies)  # the environment built them anew
        sections = config["model"] if isinstance(config["model"], dict) else {}
        for model, name, was in zip(models(env), names, before, strict=True):
            if name in ("iqn", "dqn"):
                assert len(model.memory) > 0
            elif name in sections:
                assert model.n_updates > 0
                assert not torch.equal(weights(model), was)
            else:  # with the packaged defaults a rollout is longer than this experiment
                assert model.num_timesteps == 150

    def test_agents_keep_their_specs_and_location(self, swapped):
        env = strange_environment(model="lstm_ppo")
        assert [type(agent) for agent in env.agents] == [Forager, Forager, HunterAgent]
        assert [agent.observation_spec.input_size for agent in env.agents] == [(36,)] * 3
        for agent in env.agents:
            assert env.world.observe(agent.location) is agent

    def test_models_are_carried_over_to_rebuilt_agents(self, swapped):
        env = strange_environment(model="lstm_ppo")
        living, former = models(env), list(env.agents)
        env.reset()
        assert all(agent is not old for agent, old in zip(env.agents, former, strict=True))
        assert all(m is was for m, was in zip(models(env), living, strict=True))

    def test_fewer_agents_after_reset_keep_their_models_and_the_others_leave(self, swapped):
        class Shrinking(StrangeEnvironment):
            def setup_agents(self):
                super().setup_agents()
                self.agents = self.agents[: 3 - self.generation]

        env = strange_environment(Shrinking, model="lstm_ppo")
        living = models(env)
        env.reset()
        assert models(env) == living[:2]
        population = population_of(env)
        assert population is not None
        assert [member.name for member in population.members] == ["0", "1"]

    def test_agents_that_are_only_there_after_reset_get_theirs_then(self, swapped):
        class Late(StrangeEnvironment):
            def setup_agents(self):
                self.agents = []
                if self.generation:
                    super().setup_agents()

        env = strange_environment(Late, model="lstm_ppo")
        env.reset()
        living = models(env)
        assert [type(m) for m in living] == [RecurrentPPOLSTM] * 3
        env.reset()
        assert all(m is was for m, was in zip(models(env), living, strict=True))

    def test_sizes_follow_the_environments_model_rather_than_the_spec(self, swapped):
        class Careless(StrangeEnvironment):
            def make(self, cls, index):
                agent = super().make(cls, index)
                agent.observation_spec.override_input_size((5, 2))
                return agent

        env = strange_environment(Careless, model={"type": "gru_ppo", "gru_ppo": SMALL})
        env.run_experiment(3)
        assert models(env)[0].n_updates > 0


class TestRandomness:
    def test_install_uses_no_global_stream(self):
        states = []
        for installed in (False, True):
            if installed:
                install()
            seed_everything(3)
            strange_environment(model=["gru_ppo", "lstm_ppo", "iqn"])
            uninstall()
            states.append(global_random_states())
        assert states[0] == states[1]

    @pytest.mark.parametrize(
        "config",
        [
            {"seed": 5, "model": {"type": "lstm_ppo", "lstm_ppo": SMALL}},
            {"model": {"type": "lstm_ppo", "lstm_ppo": {"seed": 5, **SMALL}}},
            {"model": {"type": "iqn", "iqn": {"seed": 5}}},
        ],
    )
    def test_the_configs_seed_decides_and_each_agent_has_its_own(self, swapped, config):
        seed_everything(0)
        first = [weights(m) for m in models(strange_environment(**config))]
        seed_everything(1)
        again = [weights(m) for m in models(strange_environment(**config))]
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not torch.equal(first[0], first[1])

    def test_model_seed_takes_precedence_over_the_run_seed(self, swapped):
        def built(common, own):
            section = {"lstm_ppo": {"seed": own, **SMALL}, "type": "lstm_ppo"}
            return weights(models(strange_environment(seed=common, model=section))[0])

        assert torch.equal(built(1, 5), built(2, 5))
        assert not torch.equal(built(1, 5), built(1, 6))

    def test_without_a_seed_numpys_global_state_decides(self, swapped):
        def built(seed):
            seed_everything(seed)
            return weights(models(strange_environment(model="lstm_ppo"))[0])

        assert torch.equal(built(1), built(1))
        assert not torch.equal(built(1), built(2))

    def test_a_seed_that_is_none_is_an_error_naming_its_key(self, swapped):
        with pytest.raises(ConfigError, match=r"model\.lstm_ppo\.seed must be .* not -1"):
            strange_environment(model={"type": "lstm_ppo", "lstm_ppo": {"seed": -1}})


class TestMemory:
    def test_the_keys_of_extra_data_are_taken_over_with_shape_and_type(self, swapped):
        for name in ("gru_ppo", "dqn"):
            env = strange_environment(model=name)
            memory = models(env)[0].memory
            assert memory.extra_data["mood"].shape == (memory.capacity, 4)
            assert memory.extra_data["mood"].dtype == np.float32

    def test_positions_are_recorded_while_training_and_in_generated_memories(
        self, swapped, tmp_path
    ):
        env = example("treasurehunt", "model.type=lstm_ppo", "model.lstm_ppo.rollout_length=1000")
        run(env, tmp_path)
        memory = models(env)[0].memory
        assert len(memory) == 18
        assert (memory.extra_data["positions"][:18] > 0).all()
        env.generate_memories(num_games=2, output_dir=tmp_path)
        with np.load(tmp_path / "memories" / "agent0.npz") as saved:
            assert (saved["positions"] > 0).all()
        assert len(models(env)[0].memory) == 18  # what was collected for training is untouched

    @pytest.mark.parametrize("name", ["lstm_ppo", "[iqn,iqn]"])
    def test_training_continues_after_generate_memories(self, name, swapped, tmp_path):
        env = example("treasurehunt", f"model.type={name}", "experiment.max_turns=40")
        run(env, tmp_path)
        frozen, learning = models(env)
        frozen.eval()
        env.generate_memories(num_games=1, output_dir=tmp_path)
        assert (frozen.training, learning.training) == (False, True)
        before = weights(learning).clone()
        run(env, tmp_path)
        assert not torch.equal(weights(learning), before)


class TestMixedPopulation:
    def build(self):
        names = "model.type=[gru_ppo,lstm_ppo,iqn]"
        return example("treasurehunt", names, "model.num_agents=3", "experiment.max_turns=10")

    def test_three_kinds_train_in_one_run(self, swapped, tmp_path):
        env = self.build()
        env.config.experiment.epochs = 8
        before = [weights(m).clone() for m in models(env)]
        assert [type(m) for m in models(env)] == [
            DualHeadRecurrentPPO,
            RecurrentPPOLSTM,
            PyTorchIQN,
        ]
        run(env, tmp_path)
        assert not any(torch.equal(weights(m), b) for m, b in zip(models(env), before, strict=True))

    def test_log_names_each_agents_model(self, swapped, caplog, tmp_path):
        caplog.set_level(logging.INFO, logger="sorrel_recurrent_ppo")
        env = self.build()
        assert caplog.messages == [
            "agent 0: gru_ppo (was iRainbowModel)",
            "agent 1: lstm_ppo (was iRainbowModel)",
            "agent 2: iqn (was iRainbowModel)",
        ]
        logger = run(env, tmp_path)
        rewards = [logger.additional_values[f"reward/{name}"] for name in ("0", "1", "2")]
        totals = np.sum(np.array(rewards, dtype=float), axis=0)
        assert totals.tolist() == pytest.approx(logger.rewards)

    def test_equal_agents_share_a_line(self, swapped, caplog):
        caplog.set_level(logging.INFO, logger="sorrel_recurrent_ppo")
        strange_environment(model=["gru_ppo", "gru_ppo", "dqn"])
        assert caplog.messages == [
            "agents 0-1: gru_ppo (was iRainbowModel)",
            "agent 2: dqn (was iRainbowModel)",
        ]


class TestErrors:
    @pytest.mark.parametrize(
        ("model", "words"),
        [
            ({"type": "lstm_pop"}, ["model.type", "'lstm_pop'", "Did you mean 'lstm_ppo'?"]),
            (
                {"type": "lstm_ppo", "lstm_ppo": {"hiden_size": 3}},
                ["model.lstm_ppo", "'hiden_size'", "Did you mean 'hidden_size'?", "agent 0"],
            ),
            (
                {"type": "dqn", "dqn": {"parameters": {"epsilom": 3}}},
                ["model.dqn", "'epsilom'", "Did you mean 'epsilon'?", "agent 0 (Forager)"],
            ),
            ({"type": ["iqn", "dqn"]}, ["model.type", "2 models", "the number of agents is 3"]),
            (
                {"type": "gru_ppo", "gru_ppo": {"action_dims": [2, 3]}},
                ["model.gru_ppo", "action_dims=[2, 3]", "6", "action space has 2", "agent 0"],
            ),
            (
                {"type": "gru_ppo", "gru_ppo": {"gamma": 1.5}},
                ["model.gru_ppo", "gamma", "1.5"],
            ),
        ],
    )
    def test_they_name_the_key_and_what_is_valid(self, swapped, model, words):
        with pytest.raises(ConfigError) as caught:
            strange_environment(model=model)
        assert [word for word in words if word not in str(caught.value)] == []

    def test_a_parameter_beside_its_section_is_warned_of(self, swapped, caplog):
        strange_environment(model={"type": "lstm_ppo", "hidden_size": 3, "turns": 2})
        warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert warned == [
            "model.hidden_size is left to the environment; if it was meant for lstm_ppo, it must "
            "be model.lstm_ppo.hidden_size"
        ]


class TestReporting:
    def test_tensorboard_shows_the_diagnostics(self, swapped, tmp_path):
        env = example("treasurehunt", "model.type=gru_ppo")
        logger = TensorboardLogger(2, str(tmp_path / "tensorboard"))
        run(env, tmp_path, logger)
        logger.writer.close()
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert {"train/value_loss", "train/approx_kl", "rollout/ep_rew_mean"} <= set(
            events.Tags()["scalars"]
        )

    def test_they_are_the_mean_over_our_agents(self, swapped, tmp_path):
        env = example("treasurehunt", "model.type=lstm_ppo", "experiment.epochs=1")
        logger = run(env, tmp_path)
        each = [model.diagnostics["train/value_loss"] for model in models(env)]
        assert each[0] != each[1]
        assert logger.additional_values["train/value_loss"][-1] == pytest.approx(np.mean(each))

    def test_the_logger_is_itself_again_after_the_run(self, swapped, tmp_path):
        env = example("treasurehunt", "model.type=lstm_ppo", "experiment.epochs=0")
        logger = run(env, tmp_path)
        assert "record_epoch" not in vars(logger)

    def test_the_logger_that_sorrel_makes_gets_them_too(self, swapped, tmp_path):
        env = example("treasurehunt", "model.type=lstm_ppo")
        collected = []
        aggregate = type(env).aggregate_epoch_stats

        class Watching(type(env)):
            def take_turn(self, epoch=0):
                collected.append(self._active_logger)
                super().take_turn(epoch)

        env.__class__ = Watching
        env.run_experiment(animate=False, output_dir=tmp_path)
        assert collected[0].additional_values["train/n_updates"][-1] >= 1
        assert "aggregate_epoch_stats" not in vars(env)
        assert aggregate is Environment.aggregate_epoch_stats

    def test_a_logger_that_takes_no_extra_values_gets_none(self, swapped, tmp_path):
        class Terse(Logger):
            def record_epoch(self, epoch, loss, reward, epsilon=0):  # pyright: ignore
                super().record_epoch(epoch, loss, reward, epsilon)

        env = example("treasurehunt", "model.type=lstm_ppo")
        type(env).aggregate_epoch_stats, kept = lambda self: {}, type(env).aggregate_epoch_stats
        try:
            assert len(run(env, tmp_path, Terse(2)).rewards) == 3
        finally:
            type(env).aggregate_epoch_stats = kept


class TestInstalling:
    def test_both_ways_are_idempotent(self):
        original = Environment.__init__
        install()
        once = Environment.__init__
        install()
        assert Environment.__init__ is once is not original
        uninstall()
        uninstall()
        assert Environment.__init__ is original
        assert type(models(strange_environment(model="lstm_ppo"))[0]) is PyTorchIQN

    def test_a_wrapper_that_others_put_around_ours_survives(self, monkeypatch):
        original = Environment.__init__
        install()
        ours = Environment.__init__

        @functools.wraps(ours)
        def theirs(self, *args, **kwargs):
            ours(self, *args, **kwargs)
            self.theirs = True

        Environment.__init__ = theirs
        try:
            uninstall()
            assert Environment.__init__ is theirs
            env = strange_environment(model="lstm_ppo")
            assert env.theirs
            assert type(models(env)[0]) is PyTorchIQN
            install()
            assert type(models(strange_environment(model="lstm_ppo"))[0]) is RecurrentPPOLSTM
        finally:
            Environment.__init__ = ours
            uninstall()
        assert Environment.__init__ is original

    def test_a_copy_of_an_environment_is_its_own(self, swapped):
        env = strange_environment(model={"type": "lstm_ppo", "lstm_ppo": SMALL})
        twin = copy.deepcopy(env)
        before = [weights(m).clone() for m in models(env)]
        twin.run_experiment(6)
        population, twins = population_of(env), population_of(twin)
        assert population is not None
        assert twins is not None
        assert [member.n_epochs for member in twins.members] == [6] * 3
        assert [member.n_epochs for member in population.members] == [0] * 3
        assert all(m.num_timesteps == 0 for m in models(env))
        assert all(torch.equal(weights(m), b) for m, b in zip(models(env), before, strict=True))

    def test_an_environment_can_be_pickled(self, swapped):
        env = strange_environment(model={"type": "lstm_ppo", "lstm_ppo": SMALL})
        thawed = pickle.loads(pickle.dumps(env))
        thawed.run_experiment(2)
        assert population_of(thawed).epoch == 1  # pyright: ignore


class TestWhatWeRelyOnInSorrel:
    """These fail when Sorrel changes what the swap is built on."""

    def test_the_constructor_makes_the_config_and_the_agents(self):
        assert list(inspect.signature(Environment.__init__).parameters) == [
            "self",
            "world",
            "config",
            "stop_if_done",
        ]
        env = strange_environment(model={"x": 1})
        assert isinstance(env.config, DictConfig)
        assert len(env.agents) == 3

    def test_the_runner_resets_through_the_instance_once_an_epoch(self, tmp_path):
        env = example("treasurehunt")
        calls = []
        env.reset = lambda: (calls.append(env.turn), type(env).reset(env))
        run(env, tmp_path)
        assert calls == [0, 6, 6]

    def test_the_runner_takes_a_logger_and_records_each_epoch_through_it(self, tmp_path):
        assert "logger" in inspect.signature(Environment.run_experiment).parameters
        env = example("treasurehunt")
        env.aggregate_epoch_stats = lambda: {"mine": 1.0}
        assert run(env, tmp_path).additional_values == {"mine": [1.0] * 3}

    def test_a_transition_adds_its_memory_through_the_instance(self):
        parameters = list(inspect.signature(Agent.add_memory).parameters)
        assert parameters == ["self", "state", "action", "reward", "done"]
        env = example("treasurehunt")
        agent, calls = env.agents[0], []
        agent.add_memory = lambda *args: calls.append(args)
        agent.transition(env.world)
        assert len(calls) == 1

    def test_an_agent_asks_whatever_model_it_has(self):
        env = example("treasurehunt")
        agent = env.agents[0]
        agent.model = env.agents[1].model
        agent.transition(env.world)
        assert agent.model.memory.size == 1

    def test_a_chess_agent_never_asks_its_model(self):
        world = Chessboard()
        agent = make_random_chess_agent(colour="white", world=world)
        assert agent.get_action(np.zeros(1)) == 0


def test_a_method_that_was_put_in_place_of_ours_is_wrapped_again(monkeypatch):
    original = Environment.reset
    install()
    monkeypatch.setattr(Environment, "reset", original)
    uninstall()
    install()
    assert Environment.reset.__wrapped__ is original  # pyright: ignore[reportFunctionMemberAccess]
    uninstall()
    assert Environment.reset is original
