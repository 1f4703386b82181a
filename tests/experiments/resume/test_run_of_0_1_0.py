"""Run directories of version 0.1.0: resume, load, compare, evaluate and inspect.

Three agents (lstm_ppo, gru_ppo, iqn) in treasurehunt, epochs 0 to 3, with two replacements and
recorded states.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint
from sorrel_recurrent_ppo.recording.recorded_states import load_states
from sorrel_recurrent_ppo.registry import build_model
from sorrel_recurrent_ppo.reports import compare, evaluate, inspect_states
from sorrel_recurrent_ppo.run_files import RunFiles

SAVED = RunFiles(Path(__file__).parent / "run_of_0_1_0")
PROGRAM = "from sorrel_recurrent_ppo.cli import main; main()"

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.fixture
def old_run(tmp_path):
    """Return the files of a copy of the run."""
    shutil.copytree(SAVED.directory, tmp_path / "run")
    return RunFiles(tmp_path / "run")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def resume(files, last_epoch):
    arguments = ["run", f"resume={files.directory}", f"experiment.epochs={last_epoch}"]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_keeps_rows(path, saved_path):
    """Assert that a table begins with the rows of the saved one; it may have more columns."""
    saved_rows = rows(saved_path)
    kept = rows(path)[: len(saved_rows)]
    assert [
        {name: row[name] for name in saved} for row, saved in zip(kept, saved_rows, strict=True)
    ] == saved_rows


def test_resume_keeps_the_rows_and_continues_replacing(old_run):
    resume(old_run, 5)
    resume(old_run, 6)  # from the state that this version wrote
    assert_keeps_rows(old_run.metrics, SAVED.metrics)
    assert_keeps_rows(old_run.agents, SAVED.agents)
    assert_keeps_rows(old_run.replacements, SAVED.replacements)
    assert [row["epoch"] for row in rows(old_run.metrics)] == ["0", "1", "2", "3", "4", "5", "6"]
    replaced = rows(old_run.replacements)
    assert [row["epoch"] for row in replaced] == ["1", "3", "5"]
    assert [row["joined"] for row in replaced] == ["3", "4", "5"]
    last = {row["agent"] for row in rows(old_run.agents) if row["epoch"] == "6"}
    assert last == {"0", "3", "4", "5"} - {replaced[-1]["left"]}
    assert {path.stem for path in old_run.checkpoints.iterdir()} == {"0", "1", "2", "3", "4", "5"}
    assert load_states(old_run.recorded_states("1")).epochs == [0]
    state = read_run_state(old_run)
    assert state is not None
    assert state["epoch"] == 6
    # Version 0.1.0 called a reference "again".
    assert "'kind': 'again'" in str(read_run_state(SAVED))
    assert "'kind': 'ref'" in str(state)
    assert "'kind': 'again'" not in str(state)
    provenance = OmegaConf.load(old_run.provenance)
    assert [session.first_epoch for session in provenance.sessions] == [0, 4, 6]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("name", "model_name", "n_updates"),
    [("0", "lstm_ppo", 2), ("1", "gru_ppo", 0), ("3", "gru_ppo", 1)],
)
def test_checkpoint_of_a_recurrent_model_loads(name, model_name, n_updates):
    model: Any = build_model(
        model_name, input_size=(150,), action_space=4, hidden_size=8, obs_type="flattened"
    )
    path = SAVED.checkpoint(name)
    model.load(path)
    assert model.n_updates == n_updates
    saved, loaded = read_checkpoint(path)["policy"], model.policy.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[key], loaded[key]) for key in saved)


@pytest.mark.parametrize("name", ["2", "4"])
def test_checkpoint_of_a_sorrel_model_loads(name):
    model: Any = build_model("iqn", input_size=(150,), action_space=4, layer_size=4)
    path = SAVED.checkpoint(name)
    model.load(path)
    saved, loaded = torch.load(path, weights_only=True)["local"], model.qnetwork_local.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[key], loaded[key]) for key in saved)


def test_compare_reads_the_run(old_run, tmp_path):
    compare.main([str(old_run.directory), f"output={tmp_path / 'comparison'}"])
    (run,) = rows(tmp_path / "comparison" / "runs.csv")
    assert float(run["final"]) == float(rows(old_run.metrics)[-1]["reward"])


def test_evaluate_plays_the_saved_agents(old_run, tmp_path):
    output = tmp_path / "evaluation"
    settings = ["epochs=2", "gif=false", "max_turns=6", "seed=1", f"output={output}"]
    evaluate.main([str(old_run.directory), *settings])
    played = [row["agent"].rpartition(":")[2] for row in rows(output / "summary.csv")]
    assert played == ["", "0", "3", "4"] * 2


def test_inspect_draws_the_recorded_states(old_run):
    inspect_states.main([str(old_run.directory), "agent=0"])
    drawn = [path.name for path in old_run.inspection.iterdir()]
    assert any(name.startswith("agent0") and name.endswith(".png") for name in drawn)
