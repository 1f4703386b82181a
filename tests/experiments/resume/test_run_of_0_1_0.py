"""Run directories of version 0.1.0: resume, compare, evaluate and inspect.

Three agents (lstm_ppo, gru_ppo, iqn) in treasurehunt, epochs 0 to 3, with two replacements and
recorded states.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sorrel_recurrent_ppo.experiments.resume.run_state import read_run_state
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint
from sorrel_recurrent_ppo.reports import compare, evaluate, inspect_states
from sorrel_recurrent_ppo.run_files import RunFiles

SAVED = Path(__file__).parent / "run_of_0_1_0"
RESUME = "from sorrel_recurrent_ppo.cli import main; main()"

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.fixture
def old_run(tmp_path):
    """Return the files of a copy of the run."""
    shutil.copytree(SAVED, tmp_path / "run")
    return RunFiles(tmp_path / "run")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def resume(files, last_epoch):
    arguments = ["run", f"resume={files.directory}", f"experiment.epochs={last_epoch}"]
    command = [sys.executable, "-c", RESUME, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_resume_keeps_the_rows_and_continues_replacing(old_run):
    before = {name: rows(SAVED / name) for name in ("metrics.csv", "agents.csv")}
    resume(old_run, 5)
    resume(old_run, 6)  # from the state that this version wrote
    for name, old_rows in before.items():
        kept = rows(old_run.directory / name)[: len(old_rows)]
        assert [
            {key: row[key] for key in old} for row, old in zip(kept, old_rows, strict=True)
        ] == (old_rows)
    assert [row["epoch"] for row in rows(old_run.metrics)] == ["0", "1", "2", "3", "4", "5", "6"]
    replaced = rows(old_run.replacements)
    assert [row["epoch"] for row in replaced] == ["1", "3", "5"]
    assert [row["joined"] for row in replaced] == ["3", "4", "5"]
    last = {row["agent"] for row in rows(old_run.agents) if row["epoch"] == "6"}
    assert last == {"0", "3", "4", "5"} - {replaced[-1]["left"]}
    state = read_run_state(old_run)
    assert state is not None
    assert state["epoch"] == 6


def test_checkpoints_load_into_models_of_this_version():
    for name, cls in (("0", RecurrentPPOLSTM), ("3", DualHeadRecurrentPPO)):
        path = SAVED / "checkpoints" / f"{name}.pt"
        model = cls((150,), 4, hidden_size=8, obs_type="flattened")
        model.load(path)
        assert model.n_updates == read_checkpoint(path)["n_updates"] > 0


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
