"""Small complete runs in Sorrel's examples, and their files."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from sorrel.environment import Environment
from sorrel.examples.treasurehunt.env import TreasurehuntEnv
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.experiments.built_experiment import build_seeded
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import as_numbers, read_columns
from support.saved_run_files import read_rows
from support.small_runs import (
    N_AGENTS,
    SMALL_MODELS,
    SMALL_WORLDS,
    run,
    small_config,
    weights,
    without_times,
)

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.mark.parametrize("environment", SMALL_WORLDS)
@pytest.mark.parametrize("model", SMALL_MODELS)
def test_run_writes_every_file_with_consistent_rewards(environment, model, tmp_path):
    files, summary = run(tmp_path / "run", environment, model)
    n_agents = N_AGENTS[environment]
    assert summary.n_epochs == 3
    assert summary.steps == 3 * 8 * n_agents
    metrics, agents = read_columns(files.metrics), read_columns(files.agents)
    assert metrics["epoch"].tolist() == ["0", "1", "2"]
    assert metrics["steps"].tolist() == [str(n * 8 * n_agents) for n in (1, 2, 3)]
    assert agents["agent"].tolist() == [str(i) for i in range(n_agents)] * 3
    assert set(agents["model"]) == {model}
    rewards = as_numbers(agents["reward"]).reshape(3, n_agents)
    np.testing.assert_allclose(as_numbers(metrics["reward"]), rewards.sum(axis=1))
    assert rewards.any()
    assert sorted(path.name for path in files.checkpoints.iterdir()) == [
        f"{i}.pt" for i in range(n_agents)
    ]
    with Image.open(files.learning_curve) as picture:
        assert picture.size[0] > 500
    assert OmegaConf.load(files.config).model.type == model  # pyright: ignore


@pytest.mark.parametrize("environment", SMALL_WORLDS)
@pytest.mark.parametrize("model", ["gru_ppo", "lstm_ppo"])
def test_run_trains_the_recurrent_models(environment, model, tmp_path):
    before, _ = run(tmp_path / "one epoch", environment, model, "experiment.epochs=0")
    after, _ = run(tmp_path / "three epochs", environment, model)
    for agent in range(N_AGENTS[environment]):
        start, end = (weights(files.checkpoint(str(agent))) for files in (before, after))
        assert start.keys() == end.keys()
        changed = [key for key in start if not torch.equal(start[key], end[key])]
        assert any("weight" in str(key) for key in changed)
    assert "train/value_loss" in read_columns(after.metrics)
    assert "train/value_loss" not in read_columns(before.metrics)


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_run_repeats_bit_for_bit_with_the_same_seed(model, tmp_path):
    first, _ = run(tmp_path / "first", "treasurehunt", model)
    torch.rand(3)
    np.random.random(3)  # noqa: NPY002 - disturbs the global stream
    repeated, _ = run(tmp_path / "again", "treasurehunt", model)
    other, _ = run(tmp_path / "other", "treasurehunt", model, "seed=6")
    assert without_times(first.metrics) == without_times(repeated.metrics)
    assert without_times(first.agents) == without_times(repeated.agents)
    assert without_times(first.agents) != without_times(other.agents)
    for agent in ("0", "1"):
        start, end = (weights(files.checkpoint(agent)) for files in (first, repeated))
        assert all(torch.equal(start[key], end[key]) for key in start)


def test_metrics_equal_those_of_sorrels_logger(tmp_path):
    files, _ = run(tmp_path / "run", "treasurehunt", "lstm_ppo")
    config = resolve_config(small_config("treasurehunt", "lstm_ppo"))
    env = build_seeded(config)
    sorrel_logger = Logger(2)
    env.run_experiment(animate=False, logger=sorrel_logger, output_dir=tmp_path / "other")
    metrics = read_columns(files.metrics)
    assert as_numbers(metrics["reward"]).tolist() == sorrel_logger.rewards
    np.testing.assert_array_equal(
        as_numbers(metrics["loss"]), np.array(sorrel_logger.losses, float)
    )


def test_metrics_are_means_of_the_agents_diagnostics(tmp_path):
    files, _ = run(tmp_path / "run", "tag", "gru_ppo")
    metrics, agents = read_columns(files.metrics), read_columns(files.agents)
    names = [name for name in agents if name.startswith("train/")]
    assert {"train/value_loss", "train/approx_kl", "train/entropy_loss"} <= set(names)
    for name in names:
        means = as_numbers(agents[name]).reshape(3, 3).mean(axis=1)
        np.testing.assert_allclose(as_numbers(metrics[name]), means, rtol=1e-5)


def test_environment_metrics_become_columns(tmp_path):
    files, _ = run(tmp_path / "run", "iowa", "lstm_ppo")
    metrics = read_columns(files.metrics)
    decks = [as_numbers(metrics[f"encounters/Deck{deck}"]) for deck in "ABCD"]
    assert np.sum(decks) > 0


def test_drawn_seed_is_saved_and_repeats_the_run(tmp_path):
    drawn, _ = run(tmp_path / "drawn", "treasurehunt", "lstm_ppo", "seed=null")
    seed = OmegaConf.load(drawn.config).seed  # pyright: ignore
    repeated, _ = run(tmp_path / "again", "treasurehunt", "lstm_ppo", f"seed={seed}")
    assert without_times(drawn.agents) == without_times(repeated.agents)


def test_run_does_not_overwrite_another(tmp_path):
    files, _ = run(tmp_path / "run")
    before = files.metrics.read_bytes()
    with pytest.raises(ConfigError, match=r"already holds a run.*hydra.run.dir"):
        run(tmp_path / "run")
    assert files.metrics.read_bytes() == before


def test_gifs_are_written_at_the_record_period_only_with_animate(tmp_path):
    animated = ["experiment.animate=true", "experiment.record_period=2"]
    files, _ = run(tmp_path / "animated", "treasurehunt", "lstm_ppo", *animated)
    gifs = sorted(path.name for path in (files.sorrel / "gifs").iterdir())
    assert gifs == ["TreasurehuntEnv_epoch0.gif", "TreasurehuntEnv_epoch2.gif"]
    still, _ = run(tmp_path / "still")
    assert not still.sorrel.exists()


def test_failing_run_keeps_rows_curve_and_checkpoints(tmp_path, monkeypatch):
    config = small_config("treasurehunt", "lstm_ppo", "experiment.record_period=1")
    files = RunFiles(tmp_path / "run")
    resets = iter(range(9))

    def reset(env):
        Environment.reset(env)
        if next(resets) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TreasurehuntEnv, "reset", reset)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_experiment(config, files)
    assert read_columns(files.metrics)["epoch"].tolist() == ["0", "1"]
    assert files.learning_curve.exists()
    assert files.checkpoint("0").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("threads=0", "threads must be an integer of at least 1, not 0"),
        ("experiment.epochs=many", "experiment.epochs must be an integer of at least 0"),
        ("experiment.max_turns=2.5", "experiment.max_turns must be an integer"),
        ("quiet=perhaps", "quiet must be true or false, not 'perhaps'"),
        ("experiment.record_period=0", "experiment.record_period must be an integer"),
        ("seed=-1", "seed must be an integer of at least 0"),
        ("environment.env_class=???", "needs a value for environment.env_class"),
        ("+model.lstm_ppo.gama=0.9", "gama"),
        ("model.type=lstm", "model.type: there is no model named 'lstm'. Did you mean 'lstm_ppo'"),
        ("model.type=lstm_pro", "Did you mean 'lstm_ppo'"),
        ("~model.agent_vision_radius", "'model.agent_vision_radius', which is not set"),
    ],
)
def test_config_error_names_the_key(override, message, tmp_path):
    with pytest.raises(ConfigError) as error:
        run(tmp_path / "run", "treasurehunt", "lstm_ppo", override)
    assert message in str(error.value)


def test_agents_csv_has_the_epsilon_of_each_agent_that_explores_by_it(tmp_path):
    mixed = ("model.type=[lstm_ppo,iqn]", "+model.iqn.epsilon=0.25")
    files, _ = run(tmp_path / "run", "treasurehunt", "lstm_ppo", "experiment.epochs=0", *mixed)
    assert [row["epsilon"] for row in read_rows(files.agents)] == ["", "0.25"]
