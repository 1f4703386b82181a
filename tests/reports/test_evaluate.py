"""Playing saved agents: nobody learns, no file changes, and anybody may take any fitting place."""

import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments.experiment import build_seeded, resolve_config, run_experiment
from sorrel_recurrent_ppo.population.members import population_of
from sorrel_recurrent_ppo.reports import evaluate
from sorrel_recurrent_ppo.reports.evaluate import EvaluateSettings, evaluate_run
from sorrel_recurrent_ppo.reports.evaluation import evaluation_seeds
from sorrel_recurrent_ppo.reports.saved_agents import choose_agents, seat_agent
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.randomness import untouched_random_state
from support.small_runs import N_AGENTS, SMALL_MODELS, SMALL_WORLDS, run, weights

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Make a small finished run when it is first asked for, once for all tests."""
    made = {}

    def of(environment="treasurehunt", model="lstm_ppo", *overrides):
        key = (environment, model, *overrides)
        if key not in made:
            with untouched_random_state():
                files, _ = run(tmp_path_factory.mktemp("finished") / "run", *key)
            made[key] = SavedRun(files.directory)
        return made[key]

    return of


def evaluated(saved_run, tmp_path, *, agents=None, **settings):
    given = {"epochs": 2, "gif": False, "max_turns": 6, **settings}
    return evaluate_run(saved_run, EvaluateSettings(agents=agents or {}, **given), tmp_path)


def rewards(evaluation):
    return [(epoch.mode, epoch.reward, *epoch.agent_rewards) for epoch in evaluation.epochs]


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "evaluation" not in path.parts
    }


# --- what is played ---


@pytest.mark.parametrize("environment", SMALL_WORLDS)
@pytest.mark.parametrize("model", SMALL_MODELS)
def test_every_environment_and_model_is_played_and_its_run_is_left_as_it_was(
    environment, model, finished, tmp_path
):
    saved_run = finished(environment, model)
    before = digests(saved_run.directory)
    found = evaluated(saved_run, tmp_path)
    assert [(e.mode, e.epoch) for e in found.epochs] == [
        *(("sampled", 0), ("sampled", 1)),
        *(("deterministic", 0), ("deterministic", 1)),
    ]
    for epoch in found.epochs:
        assert len(epoch.agent_rewards) == N_AGENTS[environment]
        np.testing.assert_allclose(epoch.reward, sum(epoch.agent_rewards))
    assert digests(saved_run.directory) == before
    assert list(tmp_path.iterdir()) == []  # such as iowa's own checkpoints


def test_the_same_seed_gives_the_same_epochs_however_many_are_played(finished, tmp_path):
    saved_run = finished()
    two, three = (evaluated(saved_run, tmp_path, epochs=n) for n in (2, 3))
    assert [e for e in three.epochs if e.epoch < 2] == two.epochs
    other = evaluated(saved_run, tmp_path, seed=99)
    assert {e.seed for e in other.epochs}.isdisjoint({e.seed for e in two.epochs})


def test_no_seed_is_one_that_an_agent_was_trained_with():
    seeds = evaluation_seeds(5, 3, [5])
    assert len(set(seeds)) == 3
    assert 5 not in seeds
    avoiding = evaluation_seeds(5, 3, [seeds[0]])
    assert avoiding[:2] == seeds[1:]


def test_the_random_streams_of_the_process_are_left_alone(finished, tmp_path):
    saved_run = finished()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global stream is what is looked at
    before = torch.rand(2), np.random.random(2)  # noqa: NPY002
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    evaluated(saved_run, tmp_path)
    after = torch.rand(2), np.random.random(2)  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])


def seated(saved_run, source, index=0):
    """Return an environment of a run, one place of which was given to a saved agent."""
    env = build_seeded(resolve_config(saved_run.config))
    population = population_of(env)
    assert population is not None
    epsilon = seat_agent(env, population, index, source, seed=3, device=None)
    return env, epsilon


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_a_seated_agent_has_the_weights_of_its_file_and_no_others(model, finished, tmp_path):
    saved_run = finished("treasurehunt", model)
    source = choose_agents(saved_run, {})[1]
    env, _ = seated(saved_run, source)
    env.agents[0].model.save(tmp_path / "again.pt")
    saved, again = weights(source.checkpoint), weights(tmp_path / "again.pt")
    assert saved.keys() == again.keys()
    assert all(torch.equal(saved[place], again[place]) for place in saved)


def test_training_after_an_evaluation_is_what_it_would_have_been(finished, tmp_path):
    saved_run = finished()

    def trained_on():
        env = build_seeded(resolve_config(saved_run.config))
        for index, agent in enumerate(env.agents):
            agent.model.load(saved_run.files.checkpoint(str(index)))  # pyright: ignore[reportAttributeAccessIssue]
        env.run_experiment(animate=False, logging=False, output_dir=tmp_path / "sorrel")
        paths = [tmp_path / f"{index}.pt" for index in range(len(env.agents))]
        for path, agent in zip(paths, env.agents, strict=True):
            agent.model.save(path)
        return [path.read_bytes() for path in paths]

    without = trained_on()
    evaluated(saved_run, tmp_path)
    assert trained_on() == without


def test_sorrels_models_do_not_train_and_explore_with_their_last_epsilon(finished, tmp_path):
    saved_run = finished("treasurehunt", "iqn", "model.epsilon_decay=0.5", "model.iqn.epsilon=0.8")
    _, epsilon = seated(saved_run, choose_agents(saved_run, {})[0])
    assert epsilon == pytest.approx(0.8 * 0.5**2)  # three epochs: 0.8, 0.4, 0.2
    # Deterministic epochs are greedy: their choices draw nothing from the streams that explore.
    once = evaluated(saved_run, tmp_path, mode="deterministic", max_turns=8)
    assert once.modes == ["deterministic"]
    assert rewards(once) == rewards(
        evaluated(saved_run, tmp_path, mode="deterministic", max_turns=8)
    )


def test_what_the_environment_reports_is_kept(tmp_path):
    chosen = ["environment=cue_recall", "world.corridor=2", "model.lstm_ppo.hidden_size=8"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose(
            "config", overrides=[*chosen, "experiment.epochs=0", "experiment.max_turns=40"]
        )
    files = RunFiles(tmp_path / "run")
    run_experiment(config, files)
    found = evaluated(SavedRun(files.directory), tmp_path, max_turns=None)
    assert all(0 <= epoch.values["success_rate"] <= 1 for epoch in found.epochs)
    assert not any(name.startswith("train/") for epoch in found.epochs for name in epoch.values)


# --- who plays ---


def test_agents_of_other_runs_and_kinds_take_places(finished, tmp_path):
    own, other = finished("treasurehunt", "lstm_ppo"), finished("treasurehunt", "gru_ppo")
    sorrels = finished("treasurehunt", "iqn")
    plain = evaluated(own, tmp_path)
    mixed = evaluated(own, tmp_path, agents={"1": f"{other.directory}:0"})
    assert [a.agent.model_name for a in mixed.agents] == ["lstm_ppo", "gru_ppo"]
    assert rewards(mixed) != rewards(plain)
    with_iqn = evaluated(own, tmp_path, agents={"0": f"{sorrels.directory}:1"})
    assert [a.agent.model_name for a in with_iqn.agents] == ["iqn", "lstm_ppo"]
    into_iqn = evaluated(sorrels, tmp_path, agents={"0": f"{own.directory}:0"})
    assert [a.agent.model_name for a in into_iqn.agents] == ["lstm_ppo", "iqn"]


def test_an_agent_keeps_the_settings_that_it_was_trained_with(finished, tmp_path):
    own = finished("treasurehunt", "lstm_ppo")
    wider = finished("treasurehunt", "lstm_ppo", "model.lstm_ppo.hidden_size=12")
    source = choose_agents(own, {"0": f"{wider.directory}:1"})[0]
    env, _ = seated(own, source)
    assert env.agents[0].model.hidden_size == 12  # pyright: ignore[reportAttributeAccessIssue]
    assert evaluated(own, tmp_path, agents={"0": f"{wider.directory}:1"}).epochs


def test_after_a_replacement_the_latest_agent_plays_and_the_former_can_be_named(finished, tmp_path):
    overrides = [
        *("replacement=cohort", "replacement.epochs=[1]", "replacement.count=1"),
        "experiment.record_period=1",
    ]
    saved_run = finished("treasurehunt", "lstm_ppo", *overrides)
    assert [a.agent.name for a in choose_agents(saved_run, {})] == ["2", "1"]
    former = evaluated(saved_run, tmp_path, agents={"0": ":0"})
    assert [a.agent.name for a in former.agents] == ["0", "1"]


def test_an_old_run_without_agents_csv_is_played_by_its_checkpoints(finished, tmp_path):
    saved_run = finished()
    expected = rewards(evaluated(saved_run, tmp_path))
    old = tmp_path / "old"
    (old / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "metrics.csv", "checkpoints/0.pt", "checkpoints/1.pt"):
        (old / name).write_bytes((saved_run.directory / name).read_bytes())
    assert rewards(evaluated(SavedRun(old), tmp_path)) == expected


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_an_agent_whose_sizes_do_not_fit_is_refused_in_a_sentence(model, finished, tmp_path):
    own, other = finished(), finished("cleanup", model)
    with pytest.raises(CheckpointError) as refused:
        evaluated(own, tmp_path, agents={"1": f"{other.directory}:0"})
    told = str(refused.value)
    assert told.startswith(f"{other.directory}:0 cannot play as agent 1 (TreasurehuntAgent): ")
    assert "\n" not in told
    sizes = "size mismatch" if model == "iqn" else "150 values and 4 actions"
    assert sizes in told


# --- the command ---


def test_the_command_prints_a_table_and_leaves_its_files_in_the_run(finished, capsys):
    saved_run = finished("treasurehunt", "gru_ppo")
    arguments = [str(saved_run.directory), "epochs=3", "max_turns=5"]
    evaluate.main(arguments)
    shown = capsys.readouterr().out
    for word in ("sampled", "deterministic", "total", "gru_ppo", "\u00b1", "[least, most]"):
        assert word in shown
    (folder,) = (saved_run.directory / "evaluation").iterdir()
    with (folder / "epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["mode"], row["epoch"]) for row in rows[2:4]] == [
        ("sampled", "2"),
        ("deterministic", "0"),
    ]
    with (folder / "summary.csv").open(newline="") as file:
        total, first, *_ = csv.DictReader(file)
    played = [float(row["reward"]) for row in rows[:3]]
    assert (total["mode"], total["place"], first["place"]) == ("sampled", "total", "0")
    assert float(total["mean"]) == pytest.approx(np.mean(played))
    assert float(total["std"]) == pytest.approx(np.std(played, ddof=1))
    whole = json.loads((folder / "evaluation.json").read_text())
    assert whole["agents"][1]["checkpoint"] == str(saved_run.files.checkpoint("1"))
    assert len(whole["epochs"]) == 6
    with Image.open(folder / "sampled.gif") as picture:
        assert picture.n_frames > 1  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigError, match="already holds an evaluation"):
        evaluate.main([*arguments, f"output={folder}"])


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("epochs=0", "epochs must be an integer of at least 1, not 0"),
        ("epochs=two", "epochs=two: Value 'two'"),
        ("epoch=2", "there is no setting 'epoch'. Did you mean 'epochs'?"),
        ("mode=determined", "Did you mean 'deterministic'?"),
        ("agents.7=:0", "agents.7: there is no such place"),
        ("agents.1=:8", "has no agent '8'"),
        ("agents.1=somewhere", "must be RUN_DIR:NAME"),
        ("agents.1=nowhere:0", "nowhere is not a directory"),
        ("device=warp", "warp"),
    ],
)
def test_a_mistake_is_told(argument, told, finished):
    with pytest.raises(ConfigError) as error:
        evaluate.main([str(finished().directory), argument, "gif=false", "max_turns=1"])
    assert told in str(error.value)


def test_a_missing_and_a_damaged_checkpoint_are_told(finished, tmp_path):
    saved_run = finished()
    broken = tmp_path / "broken"
    (broken / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "agents.csv", "checkpoints/0.pt"):
        (broken / name).write_bytes((saved_run.directory / name).read_bytes())
    with pytest.raises(CheckpointError, match=r"1\.pt does not exist"):
        evaluated(SavedRun(broken), tmp_path)
    (broken / "checkpoints" / "1.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"1\.pt"):
        evaluated(SavedRun(broken), tmp_path)


def test_a_schedule_of_replacement_replaces_nobody(finished, tmp_path):
    schedule = ["replacement=attrition", "replacement.probability=1"]
    saved_run = finished("treasurehunt", "lstm_ppo", *schedule, "experiment.record_period=1")
    without = tmp_path / "without"
    shutil.copytree(saved_run.directory, without)
    config = OmegaConf.load(without / "config.yaml")
    OmegaConf.update(config, "replacement", None, merge=False)
    OmegaConf.save(config, without / "config.yaml")
    found = evaluated(saved_run, tmp_path, epochs=3)
    assert [a.agent.name for a in found.agents] == ["4", "5"]  # both at epochs 1 and 2
    assert rewards(found) == rewards(evaluated(SavedRun(without), tmp_path, epochs=3))
