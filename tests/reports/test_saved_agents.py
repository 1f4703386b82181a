"""Choosing saved agents, and loading them into an environment."""

import pytest
import torch

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.reports.saved_agents import choose_agents
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from support.evaluations import evaluate_briefly, load_into_environment, rewards_of
from support.small_runs import weights

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.mark.parametrize("model", ["lstm_ppo", "iqn"])
def test_loaded_agent_has_the_weights_of_its_checkpoint(model, finished_run, tmp_path):
    saved_run = finished_run("treasurehunt", model)
    saved_agent = choose_agents(saved_run, {})[1]
    env, _ = load_into_environment(saved_run, saved_agent)
    env.agents[0].model.save(tmp_path / "saved_again.pt")
    saved, saved_again = weights(saved_agent.checkpoint), weights(tmp_path / "saved_again.pt")
    assert saved.keys() == saved_again.keys()
    assert all(torch.equal(saved[key], saved_again[key]) for key in saved)


def test_loaded_agent_keeps_the_settings_of_its_training(finished_run, tmp_path):
    own = finished_run("treasurehunt", "lstm_ppo")
    wider = finished_run("treasurehunt", "lstm_ppo", "model.lstm_ppo.hidden_size=12")
    saved_agent = choose_agents(own, {"0": f"{wider.directory}:1"})[0]
    env, _ = load_into_environment(own, saved_agent)
    assert env.agents[0].model.hidden_size == 12  # pyright: ignore[reportAttributeAccessIssue]
    assert evaluate_briefly(own, tmp_path, agents={"0": f"{wider.directory}:1"}).epochs


def test_agents_of_other_runs_and_models_can_be_substituted(finished_run, tmp_path):
    lstm, gru = finished_run("treasurehunt", "lstm_ppo"), finished_run("treasurehunt", "gru_ppo")
    iqn = finished_run("treasurehunt", "iqn")
    own = evaluate_briefly(lstm, tmp_path)
    mixed = evaluate_briefly(lstm, tmp_path, agents={"1": f"{gru.directory}:0"})
    assert [a.agent.model_name for a in mixed.agents] == ["lstm_ppo", "gru_ppo"]
    assert rewards_of(mixed) != rewards_of(own)
    with_iqn = evaluate_briefly(lstm, tmp_path, agents={"0": f"{iqn.directory}:1"})
    assert [a.agent.model_name for a in with_iqn.agents] == ["iqn", "lstm_ppo"]
    into_iqn = evaluate_briefly(iqn, tmp_path, agents={"0": f"{lstm.directory}:0"})
    assert [a.agent.model_name for a in into_iqn.agents] == ["lstm_ppo", "iqn"]


def test_latest_agents_are_chosen_and_replaced_ones_can_be_named(finished_run, tmp_path):
    overrides = [
        *("replacement=cohort", "replacement.epochs=[1]", "replacement.count=1"),
        "experiment.record_period=1",
    ]
    saved_run = finished_run("treasurehunt", "lstm_ppo", *overrides)
    assert [a.agent.name for a in choose_agents(saved_run, {})] == ["2", "1"]
    former = evaluate_briefly(saved_run, tmp_path, agents={"0": ":0"})
    assert [a.agent.name for a in former.agents] == ["0", "1"]


def test_agents_of_runs_without_agents_csv_are_found_by_their_checkpoints(finished_run, tmp_path):
    saved_run = finished_run()
    expected = rewards_of(evaluate_briefly(saved_run, tmp_path))
    old = tmp_path / "old"
    (old / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "metrics.csv", "checkpoints/0.pt", "checkpoints/1.pt"):
        (old / name).write_bytes((saved_run.directory / name).read_bytes())
    assert rewards_of(evaluate_briefly(SavedRun(old), tmp_path)) == expected


@pytest.mark.parametrize("model", ["lstm_ppo", "iqn"])
def test_agents_of_other_sizes_are_refused_in_one_line(model, finished_run, tmp_path):
    own, other = finished_run(), finished_run("cleanup", model)
    with pytest.raises(CheckpointError) as refused:
        evaluate_briefly(own, tmp_path, agents={"1": f"{other.directory}:0"})
    message = str(refused.value)
    start = f"{other.directory}:0 cannot be loaded as agent 1 (TreasurehuntAgent): "
    assert message.startswith(start)
    assert "\n" not in message
    sizes = "size mismatch" if model == "iqn" else "found 150 values and 4 actions"
    assert sizes in message


def test_missing_and_damaged_checkpoints_are_refused(finished_run, tmp_path):
    saved_run = finished_run()
    damaged = tmp_path / "damaged"
    (damaged / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "agents.csv", "checkpoints/0.pt"):
        (damaged / name).write_bytes((saved_run.directory / name).read_bytes())
    with pytest.raises(CheckpointError, match=r"1\.pt does not exist"):
        evaluate_briefly(SavedRun(damaged), tmp_path)
    (damaged / "checkpoints" / "1.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"1\.pt"):
        evaluate_briefly(SavedRun(damaged), tmp_path)
