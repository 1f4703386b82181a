"""Whether models train in parallel is measured, and changes no result."""

import pytest

from sorrel_recurrent_ppo.experiments import parallel_training
from sorrel_recurrent_ppo.experiments.built_experiment import build_experiment
from sorrel_recurrent_ppo.experiments.parallel_training import ParallelTrainer, build_trainer
from sorrel_recurrent_ppo.experiments.thread_choice import ThreadChoice
from support.run_comparison import assert_same_runs
from support.small_runs import run, small_config


def choose(seconds_of, n_epochs=20, n_updates=2):
    """Return whether models train in parallel in each epoch, given the time of its updates."""
    choice, ways = ThreadChoice(2), []
    for epoch in range(n_epochs):
        choice.begin_epoch()
        ways.append(choice.is_parallel)
        choice.add(seconds_of(epoch, choice.is_parallel), n_updates)
    return choice, ways


def test_the_faster_way_is_kept_after_three_epochs_of_each():
    choice, ways = choose(lambda epoch, is_parallel: 1.0 if is_parallel else 1.8)
    assert ways == [False, False, True, False, True, False, True, *[True] * 13]
    assert choice.is_made
    choice, ways = choose(lambda epoch, is_parallel: 1.0 if is_parallel else 0.9)
    assert ways == [False, False, True, False, True, False, True, *[False] * 13]


def test_threads_that_gain_little_are_not_used():
    choice, _ = choose(lambda epoch, is_parallel: 0.95 if is_parallel else 1.0)
    assert (choice.is_made, choice.is_parallel) == (True, False)


def test_the_first_updates_and_a_single_slow_epoch_do_not_decide():
    def faster_in_parallel(epoch, is_parallel):
        return 9.0 if epoch in (0, 4) else 1.0 - 0.5 * is_parallel

    def equally_fast(epoch, is_parallel):
        return 9.0 if epoch in (0, 3) else 1.0

    assert choose(faster_in_parallel)[0].is_parallel
    assert not choose(equally_fast)[0].is_parallel


@pytest.mark.parametrize("n_updates", [0, 1])
def test_epochs_without_several_updates_do_not_count(n_updates):
    choice, ways = choose(lambda epoch, is_parallel: 1.0, n_updates=n_updates)
    assert ways == [False] * 20
    assert not choice.is_made


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(parallel_training, "available_cores", lambda: 4)


@pytest.mark.usefixtures("four_cores", "own_process")
@pytest.mark.parametrize(
    ("model", "threads", "in_sweep", "expected"),
    [
        ("lstm_ppo", None, False, (2, True)),
        ("lstm_ppo", None, True, None),
        ("lstm_ppo", 3, True, (3, False)),
        ("lstm_ppo", 1, False, None),
        ("iqn", None, False, None),
    ],
)
def test_when_it_is_measured(model, threads, in_sweep, expected):
    experiment = build_experiment(small_config("treasurehunt", model))
    trainer = build_trainer(experiment, threads, in_sweep=in_sweep)
    found = trainer and (trainer.n_threads, trainer.choice is not None)
    assert found == expected
    if trainer is not None:
        trainer.close()


@pytest.mark.usefixtures("four_cores", "own_process")
def test_a_run_that_measures_equals_a_sequential_one(tmp_path, monkeypatch):
    ways = []
    train = ParallelTrainer._train_in_parallel

    def count(trainer, model):
        ways.append(model)
        return train(trainer, model)

    monkeypatch.setattr(ParallelTrainer, "_train_in_parallel", count)
    small = (
        "treasurehunt",
        "lstm_ppo",
        "experiment.epochs=12",
        "model.lstm_ppo.rollout_length=null",
    )
    one, _ = run(tmp_path / "one", *small, "threads=1")
    assert not ways
    measured, _ = run(tmp_path / "measured", *small, "threads=null")
    assert len(ways) >= 3 * 2
    assert_same_runs(measured, one)
