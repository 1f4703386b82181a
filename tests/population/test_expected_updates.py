"""Experiments that are too short for an update say so, at their start and at their end."""

import pytest

from sorrel_recurrent_ppo import install, uninstall
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.population.expected_updates import expected_updates
from sorrel_recurrent_ppo.reports.evaluation_output import evaluation_table
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, find_runs
from sorrel_recurrent_ppo.run_files import RunFiles
from support.evaluations import evaluate_briefly
from support.saved_run_files import compare_below
from support.small_study import build_study, run_study
from support.study_runs import factory_config

pytestmark = pytest.mark.usefixtures("own_process")
SETTINGS = {"rollout_length": 100, "sequence_length": 5, "hidden_size": 8, "batch_size": 10}


@pytest.fixture(autouse=True)
def _installed():
    install()
    yield
    uninstall()


@pytest.mark.parametrize(
    ("n_epochs", "n_turns", "rollout_length", "expected"),
    [
        (21, 20, 500, 0),
        (25, 20, 500, 1),
        (24, 20, 480, 1),
        (7, 10, 20, 3),
        (7, 15, 20, 3),
        (7, 30, 20, 7),
        (7, 1, None, 7),
    ],
)
def test_number_of_updates_by_hand(n_epochs, n_turns, rollout_length, expected):
    assert expected_updates(n_epochs, n_turns, rollout_length) == expected


def test_a_script_that_is_too_short_is_warned_before_its_first_epoch(caplog):
    env = build_study(model={"type": "lstm_ppo", "lstm_ppo": SETTINGS})
    caplog.clear()
    run_study(env)
    before, after = (record.getMessage() for record in caplog.records)
    assert before.startswith(
        "agents 0, 1 will not be updated: 7 epochs of at most 10 turns are 70 steps, fewer than "
        "rollout_length=100. Use more epochs, or model.lstm_ppo.rollout_length=null"
    )
    assert after.startswith(
        "agents 0, 1 made no update: at most 70 steps are fewer than rollout_length=100"
    )


@pytest.mark.parametrize("rollout_length", [70, None])
def test_a_script_that_is_long_enough_is_not_warned(rollout_length, caplog):
    settings = {**SETTINGS, "rollout_length": rollout_length}
    run_study(build_study(model={"type": "lstm_ppo", "lstm_ppo": settings}))
    assert "update" not in caplog.text


def test_agents_that_do_not_learn_are_not_warned_of(caplog):
    run_study(build_study(model={"type": "lstm_ppo", "lstm_ppo": {**SETTINGS, "learns": False}}))
    assert "update" not in caplog.text


def run(directory, rollout_length, seed):
    config = factory_config(
        "support.continuing_study.build",
        *("experiment.epochs=3", "experiment.max_turns=10", "resets=true", f"seed={seed}"),
        *(f"model.lstm_ppo.{name}={value}" for name, value in SETTINGS.items()),
        f"model.lstm_ppo.rollout_length={rollout_length}",
    )
    experiment.run_experiment(config, RunFiles(directory))


def test_untrained_runs_are_marked_in_reports(tmp_path):
    run(tmp_path / "runs" / "1", 100, 1)
    (untrained,) = find_runs([tmp_path / "runs" / "1"])
    assert untrained.is_untrained
    comparison = compare_below(tmp_path / "runs")
    assert [group.label for group in comparison.groups] == ["lstm_ppo (no updates)"]
    assert any(
        f"No model was updated in {tmp_path / 'runs' / '1'}" in note for note in comparison.notes
    )
    evaluation = evaluate_briefly(untrained, tmp_path)
    models = evaluation_table(untrained, evaluation).columns[2]
    assert [*models.cells][1:] == ["lstm_ppo (no updates)"] * 2
    run(tmp_path / "runs" / "2", 20, 2)
    trained = SavedRun(tmp_path / "runs" / "2")
    assert not trained.is_untrained
    comparison = compare_below(tmp_path / "runs", force=True)
    assert [group.label for group in comparison.groups] == ["lstm_ppo"]
    assert any(note.startswith("No model was updated in") for note in comparison.notes)
    evaluation = evaluate_briefly(trained, tmp_path)
    models = evaluation_table(trained, evaluation).columns[2]
    assert [*models.cells][1:] == ["lstm_ppo"] * 2


def test_a_run_says_how_often_each_agent_was_updated(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path, 20, 1)
    assert "Updates of each agent's model: 2." in caplog.text
