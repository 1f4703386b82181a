"""Counters and schedules after ten billion steps."""

from typing import Any

import pytest

from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state, save_run_state
from sorrel_recurrent_ppo.support.randomness import derive_seed
from support.small_models import MODELS, play, small_model
from support.small_runs import resume, run, without_times

MANY = 10**10


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_at_its_final_rates_and_counts_exactly(name, tmp_path):
    settings: dict[str, Any] = {"learning_rate": 1e-3, "entropy_end": 0.002}
    settings["learning_rate_end_factor"] = 0.1
    model = small_model(name, **settings)
    model.earlier_timesteps, model.n_updates = MANY, MANY
    play(model, 29)
    model.train_step()
    assert (model.num_timesteps, model.n_updates) == (MANY + 29, MANY + 1)
    assert model.diagnostics["train/learning_rate"] == pytest.approx(1e-4)
    assert model.diagnostics["train/entropy_coef"] == pytest.approx(0.002)
    model.save(tmp_path / "model.pt")
    loaded = small_model(name, **settings)
    loaded.load(tmp_path / "model.pt")
    assert (loaded.num_timesteps, loaded.n_updates) == (MANY + 29, MANY + 1)


@pytest.mark.usefixtures("own_process")
def test_a_run_writes_its_steps_exactly(tmp_path):
    files, _ = run(tmp_path / "run", "tag", "lstm_ppo", "log_period=1")
    state = read_run_state(files)
    assert state is not None
    before = state["logger"]["steps"]
    state["logger"]["steps"] = MANY
    save_run_state(files, {**state, "is_complete": False})
    resume(files, "experiment.epochs=3")
    per_epoch = before // 3
    assert without_times(files.metrics)[-1]["steps"] == str(MANY + per_epoch)


def test_seeds_of_late_agents_differ():
    seeds = {derive_seed(5, index, n) for index in range(10) for n in (0, 10**6, MANY, MANY + 1)}
    assert len(seeds) == 40
    assert all(0 <= seed < 2**63 for seed in seeds)
