"""Runs with the same seed are equal, bit for bit: tables, weights, states and pictures."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hydra import compose
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import read_columns
from sorrel_recurrent_ppo.support.randomness import seed_global_generators
from support.packaged_configs import packaged_configs
from support.random_streams import (
    assert_same_training,
    draw_from_global_streams,
    global_states,
    train_briefly,
)
from support.run_comparison import assert_same_runs
from support.small_models import MODELS, small_model
from support.small_runs import EVERY_WORLD, SMALL_MODELS, TURNOVER
from support.strange_environment import strange_environment

pytestmark = pytest.mark.usefixtures("own_process")


def config_of(environment, model, *overrides):
    tiny = ["seed=5", "experiment.epochs=2", "experiment.max_turns=8"]
    chosen = [*tiny, *EVERY_WORLD[environment], *SMALL_MODELS[model], *overrides]
    with packaged_configs():
        return compose("config", [f"environment={environment}", f"model={model}", *chosen])


def run_of(directory, config):
    draw_from_global_streams()  # earlier draws must not make a difference
    files = RunFiles(directory)
    experiment.run_experiment(config, files)
    return files


def assert_same_bits(files, others):
    assert_same_runs(files, others)
    pictures = []
    for each in (files, others):
        with Image.open(each.learning_curve) as picture:
            pictures.append(np.asarray(picture))
    assert np.array_equal(*pictures)


def assert_reproducible(directory, config):
    files, repeated = (run_of(directory / name, config) for name in ("first", "repeated"))
    assert_same_bits(files, repeated)
    return files


def test_run_depends_on_its_seed_only(tmp_path):
    config = config_of("treasurehunt", "gru_ppo")
    files = assert_reproducible(tmp_path, config)
    config.seed = 6
    with pytest.raises(AssertionError):
        assert_same_bits(run_of(tmp_path / "other", config), files)


def test_worlds_cover_every_packaged_environment():
    packaged = {path.stem for path in (config_dir() / "environment").glob("*.yaml")}
    assert set(EVERY_WORLD) == packaged - {"custom", "study"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru_ppo", "lstm_ppo"])
@pytest.mark.parametrize("environment", EVERY_WORLD)
def test_run_is_reproducible_with_one_thread_and_with_two(environment, model, tmp_path):
    one = assert_reproducible(tmp_path, config_of(environment, model))
    assert "train/value_loss" in read_columns(one.metrics)
    two = config_of(environment, model, "threads=2")
    assert_same_bits(assert_reproducible(tmp_path / "threads", two), one)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru_ppo", "lstm_ppo", "iqn"])
def test_run_with_replacements_is_reproducible(model, tmp_path):
    config = config_of("tag", model, "experiment.epochs=3", *TURNOVER)
    state = read_run_state(assert_reproducible(tmp_path, config))
    assert state is not None
    assert len(state["replacements"]) >= 2


@pytest.mark.slow
def test_sweep_job_equals_the_same_run_alone(tmp_path):
    settings = [
        *("model=gru_ppo", "seed=5,6", "hydra.sweep.dir=sweep"),
        *("experiment.epochs=2", "experiment.max_turns=8"),
        *(*EVERY_WORLD["treasurehunt"], *SMALL_MODELS["gru_ppo"]),
    ]
    code = "from sorrel_recurrent_ppo.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "-m", *settings]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    jobs = sorted(path.parent for path in (tmp_path / "sweep").rglob("metrics.csv"))
    assert len(jobs) == 2
    for number, job in enumerate(jobs):
        config = OmegaConf.load(job / "config.yaml")
        assert isinstance(config, DictConfig)
        assert_same_bits(run_of(tmp_path / f"alone{number}", config), RunFiles(job))


# --- several models in one process ---


def test_models_do_not_depend_on_the_order_of_construction():
    seeds = {"gru_ppo": 5, "lstm_ppo": 6}
    results = []
    for order in (list(MODELS), list(MODELS)[::-1]):
        before = global_states()
        models = {name: small_model(name, seed=seeds[name]) for name in order}
        results.append({name: train_briefly(model) for name, model in models.items()})
        assert global_states() == before
    for name in MODELS:
        assert_same_training(results[0][name], results[1][name])


def train_iqn_agents(*, beside_other_models):
    """Train Sorrel's IQN agents; return their rewards and weights."""
    seed_global_generators(3)
    env = strange_environment()
    models = [small_model(name) for name in MODELS] if beside_other_models else []
    rewards = env.run_experiment(2)
    for model in models:
        train_briefly(model)
    rewards += env.run_experiment(2)
    weights = [torch.cat([p.flatten() for p in a.model.parameters()]) for a in env.agents]
    return rewards, torch.cat(weights)


def test_sorrels_agents_do_not_depend_on_other_models():
    alone, beside = (train_iqn_agents(beside_other_models=flag) for flag in (False, True))
    assert alone[0] == beside[0]
    assert torch.equal(alone[1], beside[1])
