"""Replacing agents in Sorrel's own environments: exact, recorded, and never half done."""

from __future__ import annotations

import csv
import hashlib
import logging
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sorrel.models import BaseModel
from sorrel.models.pytorch import PyTorchDQN, PyTorchIQN

from sorrel_recurrent_ppo import replace_agent
from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint
from sorrel_recurrent_ppo.population.members import population_of
from sorrel_recurrent_ppo.population.records import Replacement, write_replacements
from sorrel_recurrent_ppo.registry import build_model
from support.strange_environment import strange_environment

CLASSES = {
    "gru_ppo": DualHeadRecurrentPPO,
    "lstm_ppo": RecurrentPPOLSTM,
    "iqn": PyTorchIQN,
    "dqn": PyTorchDQN,
}
SMALL_PPO = {"hidden_size": 7, "rollout_length": 10, "sequence_length": 5, "batch_size": 5}
SMALL_IQN = {"layer_size": 8, "batch_size": 4, "memory_size": 64}
SMALL_WORLDS = {
    "treasurehunt": {"model": {"num_agents": 3}, "world": {"height": 7, "width": 7}},
    "tag": {"agent": {"num_agents": 3, "vision_radius": 2}, "world": {"height": 7, "width": 7}},
    "iowa": {"world": {"height": 7, "width": 7}},
}


@pytest.fixture(autouse=True)
def _swapped():
    """Let the environments of a test honour their configs."""
    install()
    yield
    uninstall()


def make(
    name: str = "treasurehunt", model: Any = "lstm_ppo", seed: int = 5, **sections: Any
) -> Any:
    """Build a small environment of Sorrel's with the models named; ``None`` for its own."""
    chosen: dict[str, Any] = {
        "lstm_ppo": SMALL_PPO,
        "gru_ppo": SMALL_PPO,
        "iqn": SMALL_IQN,
        "dqn": SMALL_IQN,
    }
    config = OmegaConf.merge(
        OmegaConf.load(config_dir() / "environment" / f"{name}.yaml"),
        {"experiment": {"epochs": 5, "max_turns": 6}, "seed": seed, "model": chosen},
        {} if model is None else {"model": {"type": model}},
        SMALL_WORLDS[name],
        sections,
    )
    assert OmegaConf.is_dict(config)
    seed_globally(seed)
    env = build_environment(config)  # pyright: ignore[reportArgumentType]
    seed_globally(seed)  # Sorrel's environments reseed torch while they build their agents
    return env


def seed_globally(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def run(env: Any, folder: Path) -> None:
    env.run_experiment(animate=False, logging=False, output_dir=folder)


def fingerprint(model: Any, folder: Path) -> str:
    """Everything that makes a model what it is, in a form that can be compared."""
    if isinstance(model, DualHeadRecurrentPPO | RecurrentPPOLSTM):
        model.save(folder / "model.pt")
        whole: Any = read_checkpoint(folder / "model.pt")
    else:
        memory = {k: v for k, v in vars(model.memory).items() if k != "extra_data"}
        whole = (model.state_dict(), model.optimizer.state_dict(), memory, model.epsilon)
    return repr(plain(whole))


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).digest())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def fingerprints(env: Any, folder: Path) -> list[str]:
    return [fingerprint(agent.model, folder) for agent in env.agents]


def global_streams() -> bytes:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - looked at, not drawn from
    return pickle.dumps((random.getstate(), numpy_state, torch.get_rng_state().tolist()))


def names(env: Any) -> list[str]:
    population = population_of(env)
    assert population is not None
    return [member.name for member in population.members]


def records(env: Any) -> list[Replacement]:
    population = population_of(env)
    assert population is not None
    return population.replacements


def at_epochs(env: Any, actions: dict[int, Any]) -> None:
    """Let something happen at the start of some epochs."""
    population = population_of(env)
    assert population is not None

    def callback(env: Any, epoch: int) -> None:
        if epoch in actions:
            actions[epoch]()

    population.epoch_start_callbacks.append(callback)


AGENT_1_AT_EPOCH_3 = {"mode": "specified_ids", "agent_ids": [1], "epochs": [3]}


def watched_run(env: Any, folder: Path) -> dict[str, list[Any]]:
    """Run an experiment, noting everybody before and after each epoch's replacements."""
    population = population_of(env)
    assert population is not None
    seen: dict[str, list[Any]] = {"before": [], "after": []}

    def note(moment: str) -> Any:
        return lambda env, epoch: seen[moment].append((fingerprints(env, folder), global_streams()))

    population.epoch_start_callbacks.insert(0, note("before"))
    population.epoch_start_callbacks.append(note("after"))
    run(env, folder)
    return seen


@pytest.mark.parametrize("name", SMALL_WORLDS)
@pytest.mark.parametrize("model", ["lstm_ppo", "gru_ppo", "iqn"])
def test_other_agents_are_unaffected_bit_for_bit(name, model, tmp_path):
    untouched = watched_run(make(name, model), tmp_path)
    env = make(name, model, replacement=AGENT_1_AT_EPOCH_3)
    replaced = watched_run(env, tmp_path)

    assert replaced["before"][:4] == untouched["before"][:4]
    models, streams = replaced["after"][3]
    models_untouched, streams_untouched = untouched["after"][3]
    assert streams == streams_untouched
    assert [a == b for a, b in zip(models, models_untouched, strict=True)] == [
        index != 1 for index in range(len(models))
    ]
    # They have learned by then, so that being the same says something.
    assert replaced["before"][3][0][0] != replaced["before"][0][0][0]
    assert names(env) == [str(i) if i != 1 else str(len(models)) for i in range(len(models))]


@pytest.mark.parametrize("model", ["lstm_ppo", "gru_ppo", "iqn"])
def test_the_newcomer_is_a_fresh_model_of_the_same_kind_and_parameters(model, tmp_path):
    env = make(model=model)
    run(env, tmp_path)
    agent = env.agents[1]
    left, body = agent.model, {k: v for k, v in vars(agent).items() if k not in ("model",)}
    left.epsilon = 0.01  # as if decayed
    record = replace_agent(env, 1)

    parameters = SMALL_PPO if model != "iqn" else SMALL_IQN
    fresh = build_model(
        model,
        observation_spec=agent.observation_spec,
        action_spec=agent.action_spec,
        seed=record.seed,
        **parameters,
    )
    assert agent.model is not left
    assert fingerprint(agent.model, tmp_path) == fingerprint(fresh, tmp_path)
    assert agent.model.memory.extra_data.keys() == left.memory.extra_data.keys() == {"positions"}
    assert record == Replacement(
        epoch=5,
        index=1,
        left="1",
        joined="3",
        left_model=model,
        joined_model=model,
        tenure=6,
        seed=record.seed,
        checkpoint=None,
        by="replace_agent",
    )
    assert records(env) == [record]
    assert env.agents[1] is agent
    assert {k: v for k, v in vars(agent).items() if k in body and k != "add_memory"} == {
        k: v for k, v in body.items() if k != "add_memory"
    }


def test_changed_parameters_persist_while_the_model_stays_the_same():
    env = make()
    replace_agent(env, 0, parameters={"hidden_size": 13, "seed": 99})
    assert env.agents[0].model.settings.hidden_size == 13
    replace_agent(env, 0)
    assert env.agents[0].model.settings.hidden_size == 13
    # A model that is named begins with what the config says of it.
    replace_agent(env, 0, "lstm_ppo")
    assert env.agents[0].model.settings.hidden_size == SMALL_PPO["hidden_size"]
    assert [record.seed == 99 for record in records(env)] == [True, False, False]


def test_newcomers_seeds_and_weights_differ(tmp_path):
    env = make()
    seeds = {replace_agent(env, index).seed for index in (0, 0, 1)}
    assert len(seeds) == 3
    assert len(set(fingerprints(env, tmp_path))) == 3
    again = make()
    assert {replace_agent(again, index).seed for index in (0, 0, 1)} == seeds


CHAIN = ["lstm_ppo", "iqn", "gru_ppo", "lstm_ppo", "gru_ppo", "iqn", "lstm_ppo"]


@pytest.mark.parametrize("name", SMALL_WORLDS)
def test_replacing_by_other_models_during_a_run_keeps_training(name, tmp_path):
    """Every kind turns into every other, each while it has steps to learn from."""
    env = make(name, CHAIN[0], experiment={"epochs": 3 * len(CHAIN) - 1})
    born: list[tuple[Any, torch.Tensor]] = []

    def bear(kind: str | None) -> None:
        if kind is not None:
            replace_agent(env, 0, kind)
        model = env.agents[0].model
        born.append((model, torch.nn.utils.parameters_to_vector(model.parameters()).clone()))

    at_epochs(env, {0: lambda: bear(None)})
    for step, kind in enumerate(CHAIN[1:], start=1):
        at_epochs(env, {3 * step: lambda kind=kind: bear(kind)})
    run(env, tmp_path)

    assert [type(model) for model, _ in born] == [CLASSES[kind] for kind in CHAIN]
    for model, weights_at_birth in born:
        weights = torch.nn.utils.parameters_to_vector(model.parameters())
        assert torch.isfinite(weights).all()
        assert not torch.equal(weights, weights_at_birth)
    assert [(r.epoch, r.left_model, r.joined_model, r.tenure) for r in records(env)] == [
        (3 * step, CHAIN[step - 1], CHAIN[step], 3) for step in range(1, len(CHAIN))
    ]
    population = population_of(env)
    assert population is not None
    # Each of the others has been there all along; the last newcomer for three epochs.
    assert [member.n_epochs for member in population.members] == [
        3 if member.index == 0 else 3 * len(CHAIN) for member in population.members
    ]


def test_in_the_middle_of_an_epoch(tmp_path):
    env = make(model=["lstm_ppo", "iqn", "gru_ppo"])
    env.reset()
    for agent in env.agents:
        agent.model.start_epoch_action(epoch=0)
    for _ in range(3):
        env.take_turn()
    before, streams = fingerprints(env, tmp_path), global_streams()
    replace_agent(env, 1, "lstm_ppo")
    after = fingerprints(env, tmp_path)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert global_streams() == streams
    replace_agent(env, 0, "iqn")
    for _ in range(3):
        env.take_turn()
    assert [len(agent.model.memory) for agent in env.agents] == [3, 3, 6]


def test_newcomer_to_a_group_in_evaluation_is_in_evaluation():
    env = make()
    for agent in env.agents:
        agent.model.eval()
    for kind in ("lstm_ppo", "iqn", "gru_ppo"):
        replace_agent(env, 0, kind)
        assert not env.agents[0].model.training
    assert env.agents[0].model.memory.extra_data.keys() == {"positions"}


# --- environments of all sorts ---


def test_a_plain_script_that_never_installed_anything(tmp_path):
    uninstall()
    env = make(model=None)
    assert population_of(env) is None
    run(env, tmp_path)
    seen = fingerprints(env, tmp_path)
    with pytest.raises(ConfigError):
        replace_agent(env, 1, "no_such_model")
    assert population_of(env) is None
    record = replace_agent(env, 1, "lstm_ppo")
    assert (record.left, record.left_model, record.joined) == ("1", "iqn", "3")
    assert [a == b for a, b in zip(fingerprints(env, tmp_path), seen, strict=True)] == [
        True,
        False,
        True,
    ]
    run(env, tmp_path)
    assert env.agents[1].model.n_updates > 0
    epochs = env.config.experiment.epochs + 1
    record = replace_agent(env, 1)
    assert (record.left_model, record.epoch, record.tenure) == ("lstm_ppo", epochs - 1, epochs)


def test_a_model_without_a_registry_name_can_be_replaced_by_one_with_a_name():
    class OwnModel(BaseModel):
        def take_action(self, state: np.ndarray) -> int:
            return 0

    uninstall()
    env = make(model=None)
    env.agents[0].model = OwnModel(env.agents[0].observation_spec.input_size, 4, memory_size=9)
    with pytest.raises(ConfigError, match=r"OwnModel, is not in the registry .* name one of"):
        replace_agent(env, 0)
    assert replace_agent(env, 0, "lstm_ppo").left_model == "OwnModel"


def test_newcomers_persist_when_agents_are_rebuilt(tmp_path):
    schedule = {"mode": "first_n", "count": 1, "epochs": [2], "model": "lstm_ppo"}
    env = strange_environment(model={"lstm_ppo": SMALL_PPO}, replacement=schedule, seed=3)
    kept: list[Any] = []
    at_epochs(env, {2: lambda: kept.append(env.agents[0].model)})
    env.run_experiment(5)
    assert isinstance(env.agents[0].model, RecurrentPPOLSTM)
    assert env.agents[0].model is kept[0]
    assert kept[0].num_timesteps == 3 * 5
    assert names(env) == ["3", "1", "2"]


@pytest.mark.parametrize("section", [None, "none", {}])
def test_no_schedule_adds_no_callback(section):
    env = make(model=None, replacement=section)
    assert population_of(env) is None
    assert not {"reset", "run_experiment"} & vars(env).keys()


def test_no_replacement_outside_a_running_experiment(tmp_path):
    env = make(replacement={"mode": "random", "count": 1, "start_epoch": 0})
    env.reset()
    env.generate_memories(num_games=2, output_dir=tmp_path)
    assert names(env) == ["0", "1", "2"]


# --- schedules at work ---


def test_turnover_by_name_replaces_one_with_tenure_every_few_epochs(tmp_path):
    env = make(replacement="turnover", experiment={"epochs": 20})
    run(env, tmp_path)
    assert [record.epoch for record in records(env)] == [5, 10, 15, 20]
    assert all(record.tenure >= 5 for record in records(env))
    assert [record.joined for record in records(env)] == ["3", "4", "5", "6"]


def test_the_same_seed_replaces_the_same_agents_by_the_same_newcomers(tmp_path):
    section = {"mode": "probability", "probability": 0.3, "model": ["lstm_ppo", "gru_ppo"]}

    def replaced(seed: int) -> list[Replacement]:
        env = make(seed=seed, replacement=section)
        run(env, tmp_path)
        return records(env)

    first = replaced(1)
    assert len(first) > 1
    assert first == replaced(1) != replaced(2)


def test_lowest_reward_goes_by_what_the_agents_earned(tmp_path):
    section = {"mode": "lowest_reward", "count": 1, "epochs": [4], "reward_window": 2}
    env = make("tag", replacement=section)
    population = population_of(env)
    assert population is not None
    earned: list[float] = []

    def note(env: Any, epoch: int) -> None:
        if epoch == 4:
            earned.extend(sum(member.rewards[-2:]) for member in population.members)

    population.epoch_start_callbacks.insert(0, note)
    run(env, tmp_path)
    assert len(set(earned)) > 1
    assert [record.index for record in records(env)] == [int(np.argmin(earned))]


def test_too_few_old_enough_are_replaced_and_reported(tmp_path, caplog):
    section = {"mode": "random", "count": 2, "minimum_tenure": 2, "epochs": [1, 2, 3]}
    env = make(replacement=section)
    with caplog.at_level(logging.WARNING, "sorrel_recurrent_ppo.replacement.replace"):
        run(env, tmp_path)
    assert [record.epoch for record in records(env)] == [2, 2, 3]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings[0].startswith("epoch 1: 2 agents were due to be replaced, 0 are")
    assert "(by index: 1, 1, 1)" in warnings[0]
    assert warnings[1].startswith("epoch 3: 2 agents were due to be replaced, 1 are")
    assert len(warnings) == 2


def test_one_checkpoint_per_index(tmp_path):
    trained = make()
    run(trained, tmp_path)
    file = tmp_path / "elder.pt"
    trained.agents[0].model.save(file)
    section = {"mode": "first_n", "count": 2, "epochs": [1], "checkpoint": [str(file), None, None]}
    env = make(replacement=section, experiment={"max_turns": 1})
    updates: list[int] = []
    at_epochs(env, {1: lambda: updates.extend(agent.model.n_updates for agent in env.agents)})
    run(env, tmp_path)
    assert trained.agents[0].model.n_updates > 0
    assert updates == [trained.agents[0].model.n_updates, 0, 0]
    assert [record.checkpoint for record in records(env)] == [str(file), None]


# --- what is refused, and that nothing is changed by then ---


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"start_epoch": 6}, "start_epoch=6 is not among the run's epochs 0 to 5"),
        ({"epochs": [6]}, r"\[6\] not among the run's epochs"),
        ({"minimum_tenure": 6}, "can never be reached"),
        ({"coutn": 1}, "replacement has no key 'coutn'. Did you mean 'count'"),
        ({"count": 0}, "replacement.count must be"),
    ],
)
def test_refused_when_the_environment_is_built(section, message):
    with pytest.raises(ConfigError, match=message):
        make(replacement={"mode": "random", "count": 1, **section})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"count": 4}, "replacement: count=4 is more than the group's 3 agents"),
        ({"mode": "specified_ids", "count": None, "agent_ids": [3]}, r"names \[3\]"),
        ({"model": "lstm_pp"}, "replacement: newcomer for agent 0 .* Did you mean 'lstm_ppo'"),
        ({"parameters": {"hiden_size": 3}}, "Did you mean 'hidden_size'"),
        ({"checkpoint": "nowhere.pt"}, "replacement.checkpoint: .*nowhere.pt does not exist"),
        ({"checkpoint": [None, None]}, "2 files for 3 agents"),
    ],
)
def test_refused_at_the_start_of_the_run_though_due_later(section, message, tmp_path):
    env = make(replacement={"mode": "random", "count": 1, "epochs": [5], **section})
    with pytest.raises((ConfigError, CheckpointError), match=message):
        run(env, tmp_path)
    assert env.turn == 0
    assert names(env) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "there is no agent 3: TreasurehuntEnv has 3, from 0 to 2"),
        ((-1,), "there is no agent -1"),
        (("1",), "index must be an agent's index"),
        ((True,), "index must be an agent's index"),
        ((1, "lstm"), "newcomer for agent 1 .*: there is no model named 'lstm'. Did you mean"),
        ((1, RecurrentPPOLSTM), "model must be a registry name"),
        ((1, None, {"hidden_sise": 3}), "Did you mean 'hidden_size'"),
        ((1, "iqn", {"hidden_size": 3}), "model 'iqn' has no parameter 'hidden_size'"),
        ((1, None, {"gamma": 2.0}), "gamma must be a number"),
    ],
)
def test_bad_calls_change_nothing(arguments, message, tmp_path):
    env = make()
    before, streams = fingerprints(env, tmp_path), global_streams()
    index, *rest = arguments
    model, parameters = [*rest, None, None][:2]
    with pytest.raises(ConfigError, match=message):
        replace_agent(env, index, model, parameters=parameters)
    assert fingerprints(env, tmp_path) == before
    assert global_streams() == streams
    assert names(env) == ["0", "1", "2"]
    assert records(env) == []


@pytest.mark.parametrize("model", ["lstm_ppo", "iqn"])
@pytest.mark.parametrize("fault", ["missing", "damaged", "other shape", "other kind"])
def test_bad_checkpoints_change_nothing(model, fault, tmp_path):
    env = make(model=model)
    file = tmp_path / "saved.pt"
    size: dict[str, Any] = {"layer_size": 9} if fault == "other shape" else {}
    kind = {"lstm_ppo": "gru_ppo", "iqn": "dqn"}[model] if fault == "other kind" else model
    saved = build_model(kind, input_size=(150,), action_space=4, **size)
    if fault != "missing":
        saved.save(file)
    if fault == "damaged":
        file.write_bytes(file.read_bytes()[:200])
    before, streams = fingerprints(env, tmp_path), global_streams()
    with pytest.raises(CheckpointError, match=r"newcomer for agent 2 .*saved\.pt"):
        replace_agent(env, 2, checkpoint=file)
    assert fingerprints(env, tmp_path) == before
    assert global_streams() == streams
    assert names(env) == ["0", "1", "2"]


@pytest.mark.parametrize("model", ["lstm_ppo", "gru_ppo", "iqn"])
def test_from_a_checkpoint_of_the_same_or_another_kind(model, tmp_path):
    elders = make(model=model)
    run(elders, tmp_path)
    file = tmp_path / "elder.pt"
    elders.agents[0].model.save(file)
    for group in ("lstm_ppo", "iqn"):
        env = make(model=group)
        record = replace_agent(env, 2, model, checkpoint=file)
        assert record.checkpoint == str(file)
        elder, newcomer = elders.agents[0].model, env.agents[2].model
        for name, value in elder.state_dict().items():
            assert torch.equal(newcomer.state_dict()[name], value), name
        run(env, tmp_path)


def test_newcomers_from_one_checkpoint_sample_differently(tmp_path):
    elders = make()
    file = tmp_path / "elder.pt"
    elders.agents[0].model.save(file)
    env = make()
    for index in (0, 1):
        replace_agent(env, index, checkpoint=file)
    twins = [env.agents[index].model.eval() for index in (0, 1)]
    state = np.zeros(twins[0].input_size, np.float32)
    choices = [[twin.take_action(state) for _ in range(50)] for twin in twins]
    assert choices[0] != choices[1]


# --- the record ---


def test_records_as_a_csv_file(tmp_path):
    env = make()
    written = [replace_agent(env, 2), replace_agent(env, 0, "iqn")]
    write_replacements(tmp_path / "run" / "replacements.csv", written)
    with (tmp_path / "run" / "replacements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "epoch": "-1",
            "index": str(record.index),
            "left": left,
            "joined": joined,
            "left_model": "lstm_ppo",
            "joined_model": record.joined_model,
            "tenure": "0",
            "seed": str(record.seed),
            "checkpoint": "",
            "by": "replace_agent",
        }
        for record, left, joined in zip(written, "20", "34", strict=True)
    ]
