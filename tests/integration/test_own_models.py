"""Runs of models that the environment's code has built, with sizes of its own."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from sorrel.entities.basic_entities import EmptyEntity
from sorrel.models.pytorch import PyTorchIQN
from sorrel.worlds import Gridworld

from sorrel_recurrent_ppo import RecurrentPPOLSTM, install, replace_agent
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.reports import compare
from sorrel_recurrent_ppo.reports.evaluation_output import evaluation_table
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.evaluations import evaluate_briefly
from support.run_comparison import assert_same_runs
from support.saved_run_files import read_rows
from support.small_runs import resume
from support.small_study import Police, Study, Walker, build_study, run_study
from support.study_runs import factory_config

pytestmark = pytest.mark.usefixtures("own_process")

SETTINGS = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 12, "batch_size": 10}


class OwnModels(Study):
    """Walkers have an LSTM PPO of 12 units, the police an IQN of 9, whatever the config says."""

    def new_agent(self, cls=Walker):
        agent = super().new_agent(cls)
        size = agent.observation_spec.input_size
        if cls is Police:
            agent.model = PyTorchIQN(
                *(size, 3),
                layer_size=9,
                epsilon=0.5,
                batch_size=4,
                n_frames=1,
                device="cpu",
                seed=1,
            )
        else:
            agent.model = RecurrentPPOLSTM(size, 3, seed=self.config.seed, **SETTINGS)  # pyright: ignore[reportArgumentType] - no device
        return agent


def build_own(config):
    """Return a study of two walkers and a police agent: the function ``environment.factory``."""
    config.police = 1
    return OwnModels(Gridworld(6, 6, 1, EmptyEntity()), config)


def build_undrawable(config):
    """Return a study of own models in a world that cannot be drawn."""
    config.police = 1
    ground = EmptyEntity()
    ground.sprite = Path("nowhere.png")
    return OwnModels(Gridworld(6, 6, 1, ground), config)


def build_kinds(config):
    """Return the same study with models that its config names by kind."""
    config.police = 1
    return Study(Gridworld(6, 6, 1, EmptyEntity()), config)


OWN = ("model.type=null",)
KINDS = (
    "model.type=lstm_ppo",
    "model.lstm_ppo.rollout_length=20",
    "model.lstm_ppo.sequence_length=5",
    "model.lstm_ppo.batch_size=10",
    "agent.walker.lstm_ppo.hidden_size=12",
    "agent.police.model=iqn",
    "agent.police.iqn.layer_size=9",
    "agent.police.iqn.batch_size=4",
    "agent.police.iqn.n_frames=1",
)
CASES = {"own": ("build_own", OWN), "kinds": ("build_kinds", KINDS)}


def config_of(case, *overrides):
    factory, settings = CASES[case]
    return factory_config(
        f"integration.test_own_models.{factory}",
        *("experiment.epochs=6", "experiment.max_turns=10", "checkpoint_period=2"),
        *(*settings, *overrides),
    )


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_trained_recorded_and_resumed(case, crash_at, tmp_path):
    uninterrupted = start(tmp_path / "uninterrupted", config_of(case))
    rows = read_rows(uninterrupted.agents)
    assert [row["model"] for row in rows[:3]] == ["lstm_ppo", "lstm_ppo", "iqn"]
    assert float(rows[-2]["train/n_updates"]) >= 3
    interrupted = RunFiles(tmp_path / "interrupted")
    crash_at(45)
    with pytest.raises(Crash):
        start(interrupted.directory, config_of(case))
    resume(interrupted)
    assert_same_runs(interrupted, uninterrupted)


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_evaluated_with_the_sizes_of_its_training(case, tmp_path):
    files = start(tmp_path / "run", config_of(case))
    evaluation = evaluate_briefly(SavedRun(files.directory), tmp_path)
    assert [saved.agent.model_name for saved in evaluation.agents] == [
        "lstm_ppo",
        "lstm_ppo",
        "iqn",
    ]
    assert len(evaluation.epochs) == 4
    table = evaluation_table(SavedRun(files.directory), evaluation)
    assert [column.header for column in table.columns][:4] == ["index", "agent", "kind", "model"]
    police = "Police" if case == "own" else "police"
    assert [*table.columns[2].cells][-1] == police


def test_settings_of_own_models_are_recorded(tmp_path):
    files = start(tmp_path / "run", config_of("own"))
    content = OmegaConf.to_container(OmegaConf.load(files.provenance))
    assert isinstance(content, dict)
    agents = content["agents"]
    assert [agent["kind"] for agent in agents] == ["Walker", "Walker", "Police"]
    assert agents[0]["settings"]["hidden_size"] == 12
    assert agents[2]["settings"]["layer_size"] == 9


def test_runs_without_a_model_in_their_config_are_compared(tmp_path, capsys):
    for seed in (1, 2):
        start(tmp_path / "sweep" / str(seed), config_of("own", f"seed={seed}"))
    compare.main([str(tmp_path / "sweep")])
    assert "lstm_ppo + iqn" in capsys.readouterr().out


@pytest.mark.parametrize("case", CASES)
def test_newcomers_have_the_sizes_of_their_kind(case):
    install()
    config = OmegaConf.to_container(config_of(case))
    assert isinstance(config, dict)
    env = CASES[case][0] == "build_own"
    study = (build_own if env else build_kinds)(OmegaConf.create(config))
    run_study(study)
    for index, (name, size) in enumerate(
        [("hidden_size", 12), ("hidden_size", 12), ("layer_size", 9)]
    ):
        former = study.agents[index].model
        replace_agent(study, index)
        newcomer = study.agents[index].model
        assert newcomer is not former
        settings = getattr(newcomer, "settings", newcomer)
        assert getattr(settings, name) == size


def test_lists_of_a_kind_are_for_the_agents_of_that_kind():
    install()
    settings = {"lstm_ppo": {**SETTINGS, "learns": [True, False]}, "model": "lstm_ppo"}
    env = build_study(n=1, police=2, agent={"police": settings})
    run_study(env)
    models: list[Any] = [agent.model for agent in env.agents]
    assert [model.learns for model in models] == [True, True, False]
    assert [model.n_updates > 0 for model in models] == [True, True, False]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"agent": {"police": {"model": "lstm_ppo", "lstm_ppo": {"learns": [True]}}}},
            "agent.police.lstm_ppo.learns lists 1 values, none for agent 2",
        ),
        (
            {"agent": {"police": {"model": "lstm_ppo", "lstm_ppo": {"learns": [True] * 3}}}},
            "lists 3 values, but the number of agents of kind 'police' is 2",
        ),
        (
            {"model": {"type": "lstm_ppo", "lstm_ppo": {**SETTINGS, "learns": [True] * 4}}},
            "model.lstm_ppo.learns lists 4 values, but the number of agents is 3",
        ),
        (
            {"agent": {"thief": {"model": "lstm_ppo"}, "police": {"model": "iqn"}}},
            "agent.thief.model: cannot tell which of",
        ),
        ({"model": {"type": ["lstm_ppo"] * 2}}, "model.type lists 2 models"),
        ({"model": {"type": ["lstm_ppo"] * 4}}, "model.type lists 4 models"),
    ],
)
def test_what_no_agent_can_receive_is_an_error(config, message):
    install()
    with pytest.raises(ConfigError) as error:
        run_study(build_study(n=1, police=2, **config))
    assert message in str(error.value)


def test_parameters_of_a_kind_reach_models_that_are_named_for_all():
    install()
    env = build_study(n=1, police=1, agent={"police": {"lstm_ppo": {"hidden_size": 16}}})
    models: list[Any] = [agent.model for agent in env.agents]
    assert [model.settings.hidden_size for model in models] == [8, 16]
    assert all(isinstance(model, RecurrentPPOLSTM) for model in models)


def test_a_run_is_evaluated_where_drawing_the_environment_fails(tmp_path, caplog):
    factory = "integration.test_own_models.build_undrawable"
    config = factory_config(factory, "experiment.epochs=2", "experiment.max_turns=10", *OWN)
    files = start(tmp_path / "run", config)
    evaluation = evaluate_briefly(SavedRun(files.directory), tmp_path, gif=True)
    assert len(evaluation.epochs) == 4
    assert sum("no GIF of mode" in text for text in caplog.messages) == 2
    assert not [*tmp_path.glob("*.gif")]
