"""Averages of several epochs in the files of a run."""

import csv
import itertools
import json
import os
import signal

import numpy as np
import pytest
from sorrel.environment import Environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.interruption import RunStopped
from sorrel_recurrent_ppo.experiments.logging.period_average import MAX_ROWS, default_log_period
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from support.crashes import Crash
from support.run_comparison import assert_same_runs
from support.small_runs import resume, run, small_config

pytestmark = pytest.mark.usefixtures("own_process")

TURNS = 8  # of an epoch, by small_runs
REPLACED = (
    "replacement=turnover",
    "replacement.start_epoch=4",
    "replacement.every=20",
    "replacement.minimum_tenure=1",
)


def averaged(directory, period, *overrides, last_epoch=7):
    settings = [f"log_period={period}", f"experiment.epochs={last_epoch}", "checkpoint_period=2"]
    return run(directory, "tag", "lstm_ppo", *settings, *overrides)[0]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def numbers(path, name):
    return as_numbers(read_columns(path)[name])


@pytest.mark.parametrize(
    ("last_epoch", "period"),
    [(0, 1), (MAX_ROWS - 1, 1), (MAX_ROWS, 2), (10**5, 10), (1_500_000, 100), (3_000_000, 200)],
)
def test_default_period_bounds_the_rows_of_an_agent(last_epoch, period):
    assert default_log_period(last_epoch) == period
    assert (last_epoch + 1) / period <= MAX_ROWS
    config = small_config("tag", "lstm_ppo", f"experiment.epochs={last_epoch}")
    assert experiment.resolve_config(config).log_period == period


def test_period_must_be_a_positive_integer():
    with pytest.raises(ConfigError, match="log_period must be an integer of at least 1, not 0"):
        experiment.resolve_config(small_config("tag", "lstm_ppo", "log_period=0"))


def test_rows_are_means_of_the_epochs_of_a_period_and_sums_of_their_times(tmp_path):
    single, files = averaged(tmp_path / "1", 1), averaged(tmp_path / "3", 3)
    assert numbers(files.metrics, "epoch").tolist() == [2, 5, 7]
    assert numbers(files.metrics, "epochs").tolist() == [3, 3, 2]
    assert "epochs" not in read_columns(single.metrics)
    periods = [slice(0, 3), slice(3, 6), slice(6, 8)]
    for name in ("reward", "loss", "turn_reward_mean", "train/value_loss", "train/learning_rate"):
        each = numbers(single.metrics, name)
        means = [np.nanmean(each[period]) for period in periods]
        np.testing.assert_allclose(numbers(files.metrics, name), means, rtol=1e-12)
    for name in ("steps", "train/n_updates"):
        assert numbers(files.metrics, name).tolist() == [
            numbers(single.metrics, name)[i] for i in (2, 5, 7)
        ]
    assert numbers(files.metrics, "seconds").sum() > 2 * numbers(files.metrics, "seconds").min()
    of_agents = [numbers(f.agents, "reward").reshape(-1, 3) for f in (single, files)]
    means = [of_agents[0][period].mean(axis=0) for period in periods]
    np.testing.assert_allclose(of_agents[1], means, rtol=1e-12)


def test_dashboards_have_the_rows_of_the_files(tmp_path):
    files = averaged(tmp_path / "run", 3)
    events = EventAccumulator(str(files.tensorboard)).Reload()
    assert [event.step for event in events.Scalars("score")] == [2, 5, 7]
    shown = [event.value for event in events.Scalars("score")]
    np.testing.assert_allclose(shown, numbers(files.metrics, "reward"), rtol=1e-6)
    steps = np.diff(numbers(files.metrics, "steps"), prepend=0)
    speed = [event.value for event in events.Scalars("time/fps")]
    np.testing.assert_allclose(speed, steps / numbers(files.metrics, "seconds"), rtol=0.01)


def test_agents_are_averaged_over_the_epochs_in_which_they_are_present(tmp_path):
    single = averaged(tmp_path / "1", 1, *REPLACED)
    files = averaged(tmp_path / "3", 3, *REPLACED)
    (replaced,) = rows(files.replacements)
    assert replaced["epoch"] == "4"
    found = {(row["agent"], row["epoch"]): row for row in rows(files.agents)}
    left, joined = found[replaced["left"], "3"], found["3", "5"]
    assert (left["epochs"], joined["epochs"]) == ("1", "2")
    each = {(row["agent"], row["epoch"]): float(row["reward"]) for row in rows(single.agents)}
    assert float(left["reward"]) == each[replaced["left"], "3"]
    assert float(joined["reward"]) == (each["3", "4"] + each["3", "5"]) / 2
    assert sum(int(row["epochs"]) for row in rows(files.agents)) == 3 * 8


@pytest.mark.parametrize("epoch", [1, 4, 5, 7])
def test_resume_within_a_period_equals_an_uninterrupted_run(epoch, crash_at, tmp_path):
    uninterrupted = averaged(tmp_path / "uninterrupted", 3, *REPLACED)
    crash_at(epoch * TURNS + 3)
    with pytest.raises(Crash):
        averaged(tmp_path / "run", 3, *REPLACED)
    files = RunFiles(tmp_path / "run")
    resume(files)
    assert_same_runs(files, uninterrupted)
    events = EventAccumulator(str(files.tensorboard)).Reload()
    assert [event.step for event in events.Scalars("score")] == [2, 5, 7]


def test_resume_extends_a_run_that_ended_within_a_period(tmp_path):
    uninterrupted = averaged(tmp_path / "uninterrupted", 3)
    files = averaged(tmp_path / "run", 3, last_epoch=4)
    assert numbers(files.metrics, "epoch").tolist() == [2, 4]
    resume(files, "experiment.epochs=6")
    resume(files, "experiment.epochs=7")
    assert_same_runs(files, uninterrupted)


def test_stopped_run_has_the_rows_of_all_its_epochs(tmp_path, monkeypatch):
    uninterrupted = averaged(tmp_path / "uninterrupted", 3)
    take_turn, turns = Environment.take_turn, itertools.count()

    def take_turn_or_stop(env, epoch=0):
        if next(turns) == 4 * TURNS + 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return take_turn(env, epoch)

    monkeypatch.setattr(Environment, "take_turn", take_turn_or_stop)
    with pytest.raises(RunStopped):
        averaged(tmp_path / "run", 3)
    monkeypatch.undo()
    files = RunFiles(tmp_path / "run")
    assert numbers(files.metrics, "epoch").tolist() == [2, 4]
    assert numbers(files.metrics, "epochs").tolist() == [3, 2]
    resume(files)
    assert_same_runs(files, uninterrupted)


def test_resume_with_another_period_is_an_error(tmp_path):
    files = averaged(tmp_path / "run", 3)
    with pytest.raises(CheckpointError, match=r"expected log_period=3 .* found log_period=2"):
        resume(files, "experiment.epochs=9", "log_period=2")


def test_state_of_a_period_is_plain(tmp_path):
    from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state

    files = averaged(tmp_path / "run", 5)
    state = read_run_state(files)
    assert state is not None
    saved = state["logger"]["sinks"]["average"]
    assert json.loads(json.dumps(saved)) == saved
    assert (saved["n_epochs"], saved["last"]["epoch"]) == (3, 7)
