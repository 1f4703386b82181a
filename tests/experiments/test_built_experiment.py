"""Experiments of several environments that a coordinator runs."""

from pathlib import Path

import pytest
from hydra import compose
from omegaconf import OmegaConf
from sorrel.utils.logging import ConsoleLogger

from sorrel_recurrent_ppo.experiments.built_experiment import build_experiment
from sorrel_recurrent_ppo.experiments.experiment import run_experiment
from sorrel_recurrent_ppo.reports import evaluate
from sorrel_recurrent_ppo.run_files import RunFiles
from support.packaged_configs import packaged_configs
from support.saved_run_files import read_rows
from support.small_study import Coordinator, build_study

SETTINGS = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 8, "batch_size": 10}


class WithLogger(Coordinator):
    def run_experiment(self, logger=None):
        self.given = {"logger": logger}
        self.run(2)


class WithoutArguments(Coordinator):
    def run_experiment(self):
        self.given = {}
        self.run(2)


class WithAny(Coordinator):
    def run_experiment(self, **arguments):
        self.given = arguments
        self.run(2)


def with_logger(config):
    return WithLogger([build_study() for _ in range(2)])


def without_arguments(config):
    return WithoutArguments([build_study() for _ in range(2)])


def with_any(config):
    return WithAny([build_study() for _ in range(2)])


@pytest.mark.parametrize(
    ("factory", "given"),
    [
        (with_logger, {"logger"}),
        (without_arguments, set()),
        (with_any, {"logger", "animate", "output_dir"}),
    ],
)
def test_coordinator_gets_the_arguments_that_its_run_experiment_takes(factory, given):
    config = OmegaConf.create(
        {
            "seed": 1,
            "environment": {"factory": f"{__name__}.{factory.__name__}"},
            "model": {"type": "lstm_ppo", "lstm_ppo": SETTINGS},
        }
    )
    experiment = build_experiment(config)
    experiment.run(ConsoleLogger(2), animate=False, output_dir=Path())
    assert set(experiment.runner.given) == given
    assert experiment.population.epoch == 1


@pytest.mark.usefixtures("own_process")
def test_coordinated_run_is_evaluated_without_gif(tmp_path):
    with packaged_configs():
        config = compose(
            "config",
            overrides=[
                *("environment=study", f"environment.factory={__name__}.with_logger"),
                *("model=lstm_ppo", "experiment.epochs=1", "seed=1"),
            ],
        )
    files = RunFiles(tmp_path / "run")
    run_experiment(config, files)
    evaluate.main([str(files.directory), "epochs=1"])
    (folder,) = (files.directory / "evaluation").iterdir()
    assert not list(folder.glob("*.gif"))
    assert [row["mode"] for row in read_rows(folder / "epochs.csv")] == ["sampled", "deterministic"]
