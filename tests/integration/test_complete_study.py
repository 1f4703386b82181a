"""A study with all traits of real ones at once, by its own program and by the package's runner."""

import signal
import time

import numpy as np
import pytest

from sorrel_recurrent_ppo import install, is_ppo_model, replace_agent
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.population.joining import find_population
from sorrel_recurrent_ppo.reports import compare
from sorrel_recurrent_ppo.reports.inspect_states import inspect_run
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.run_files import RunFiles
from support.complete_study import build
from support.crashes import Crash
from support.evaluations import evaluate_briefly
from support.run_comparison import assert_same_runs
from support.run_processes import epochs_in, start_process
from support.saved_run_files import read_rows
from support.small_runs import resume
from support.study_runs import LONG, MODELS, study_config, study_settings

pytestmark = pytest.mark.usefixtures("own_process")

TURNS = 6
# After a run: the study has replaced agent 1 at epoch 4, and the schedule agent 0 at epoch 5.
# Agent 6 is there in epochs 7 and 8.
NAMES = ["5", "4", "2", "3"]


def by_its_own_program(model):
    install()
    village = build(study_settings(model))
    village.run_experiment()
    population = find_population(village)
    assert population is not None
    return village, population


def start(directory, config):
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


@pytest.mark.parametrize("model", MODELS)
def test_the_studys_program_runs_with_models_of_the_config(model):
    village, population = by_its_own_program(model)
    assert [member.name for member in population.members] == NAMES
    assert [member.kind for member in population.members] == [*["Villager"] * 3, "Elder"]
    assert [member.agent for member in population.members] == village.everyone
    assert [(r.epoch, r.left, r.joined, r.by) for r in population.replacements] == [
        (4, "1", "4", "environment"),
        (5, "0", "5", "schedule"),
    ]
    assert population.epoch == 12
    expected = MODELS[model]
    expected = [expected] * 4 if isinstance(expected, str) else expected
    assert [member.model_name for member in population.members] == expected
    recurrent = [member for member in population.members if is_ppo_model(member.model)]
    for member in recurrent:
        n_epochs = 13 - max(member.joined_epoch, 0)  # a probe collects nothing
        assert member.model.num_timesteps == TURNS * n_epochs
        assert member.model.n_updates
    assert len({member.seed for member in recurrent}) == len(recurrent)


def test_replace_agent_takes_the_coordinator():
    village, population = by_its_own_program("lstm")
    before = village.everyone[3].model
    record = replace_agent(village, 3)
    assert (record.left, record.joined) == ("3", "7")
    assert village.everyone[3].model is not before
    assert population.members[3].name == "7"


@pytest.mark.parametrize("model", MODELS)
def test_a_crashed_run_of_the_study_equals_an_uninterrupted_one(model, crash_at, tmp_path):
    config = study_config(model)
    uninterrupted = start(tmp_path / "uninterrupted", config)
    interrupted = RunFiles(tmp_path / "interrupted")
    turns = TURNS * 4 * 8 + 30  # in epoch 8, with the inserted agent
    crash_at(turns)
    with pytest.raises(Crash):
        start(interrupted.directory, config)
    crash_at(TURNS * 4 * 3)  # from epoch 7
    with pytest.raises(Crash):
        resume(interrupted)
    resume(interrupted)
    assert_same_runs(interrupted, uninterrupted)
    assert read_rows(interrupted.replacements) == read_rows(uninterrupted.replacements)


def test_files_of_the_run_have_the_agents_of_each_epoch(tmp_path):
    files = start(tmp_path / "run", study_config("mixed"))
    by_epoch = {}
    for row in read_rows(files.agents):
        by_epoch.setdefault(int(row["epoch"]), []).append(row["agent"])
    assert [*by_epoch] == [*range(13)]
    assert by_epoch[3] == ["0", "1", "2", "3"]
    assert by_epoch[6] == NAMES
    assert by_epoch[7] == by_epoch[8] == [*NAMES, "6"]
    assert by_epoch[9] == NAMES
    replacements = read_rows(files.replacements)
    assert [row["by"] for row in replacements] == ["environment", "schedule"]
    assert {f"{name}.pt" for name in NAMES} <= {path.name for path in files.checkpoints.iterdir()}
    rewards = [float(row["reward"]) for row in read_rows(files.agents) if row["epoch"] == "3"]
    (total,) = (float(row["reward"]) for row in read_rows(files.metrics) if row["epoch"] == "3")
    assert sum(rewards) == pytest.approx(total, abs=3)  # a probe's rewards are the agent's alone


def test_a_run_of_the_study_is_evaluated_and_inspected(tmp_path):
    recording = ["record_states=true", "experiment.record_period=4"]
    files = start(tmp_path / "run", study_config("lstm", *recording))
    evaluation = evaluate_briefly(SavedRun(files.directory), tmp_path)
    assert [saved.agent.name for saved in evaluation.agents] == NAMES
    assert len({epoch.reward for epoch in evaluation.epochs}) > 1
    for written in inspect_run(files.directory, agent="3"):
        assert written.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_long_run_of_ten_environments_survives_kills(model, tmp_path):
    config = study_config(model, *LONG)
    uninterrupted, killed = RunFiles(tmp_path / "uninterrupted"), RunFiles(tmp_path / "killed")
    process = start_process(uninterrupted.directory, config)
    process.join()
    assert process.exitcode == 0
    rng = np.random.default_rng(3)
    for epochs in rng.integers(4, 12, 4):
        before = epochs_in(killed)
        process = start_process(killed.directory, config)
        while process.is_alive() and epochs_in(killed) < before + epochs:
            time.sleep(0.002)
        process.join(rng.uniform(0.0, 0.2))
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
    process = start_process(killed.directory, config)
    process.join()
    assert process.exitcode == 0
    assert_same_runs(killed, uninterrupted)
    evaluation = evaluate_briefly(SavedRun(killed.directory), tmp_path)
    assert len(evaluation.agents) == 10


@pytest.mark.slow
def test_models_are_compared_in_the_study(tmp_path, capsys):
    for model in ("lstm", "iqn"):
        for seed in (1, 2):
            start(tmp_path / "sweep" / f"{model}{seed}", study_config(model, f"seed={seed}"))
    compare.main([str(tmp_path / "sweep")])
    shown = capsys.readouterr().out
    assert "lstm_ppo" in shown
    assert "iqn" in shown
