"""Sweeps with Hydra's launchers: files and threads of each job, and isolation of a failure."""

import re
import signal
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.reports import compare
from sorrel_recurrent_ppo.reports.saved_runs import find_runs, read_metrics

# Records the number of threads; with seed 13 it raises an exception that cannot be pickled.
FIELD = """
import os
from pathlib import Path

import torch
from sorrel.examples.treasurehunt.env import TreasurehuntEnv


class TwoArguments(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")


class Field(TreasurehuntEnv):
    def setup_agents(self):
        super().setup_agents()
        if self.config.seed == 13:
            raise TwoArguments("a fault", "setup_agents")

    def reset(self):
        super().reset()
        threads = f"{os.environ['OMP_NUM_THREADS']} {torch.get_num_threads()}"
        name = f"threads_{self.config.model.type}_{self.config.seed}"
        Path(name).write_text(threads)
"""
SMALL = [
    *("environment.env_class=field.Field", "world.height=7", "world.width=7"),
    *("experiment.epochs=2", "experiment.max_turns=6"),
    *("++model.gru_ppo.hidden_size=8", "++model.lstm_ppo.hidden_size=8"),
]


def command(folder, *arguments):
    (folder / "field.py").write_text(FIELD)
    code = "from sorrel_recurrent_ppo.cli import main; main()"
    return [sys.executable, "-c", code, "run", "-m", *SMALL, "hydra.sweep.dir=sweep", *arguments]


def sweep(folder, *arguments):
    return subprocess.run(
        command(folder, *arguments), cwd=folder, capture_output=True, text=True, check=False
    )


def assert_only_seed_13_failed(done, folder, n_complete):
    """Check a sweep in which the jobs with seed 13 failed and no others."""
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert re.search(r"seed13: TwoArguments: a fault in setup_agents \(its run\.log", last), last
    runs = find_runs([folder / "sweep"])
    failed = [run for run in runs if run.directory.name.endswith("seed13")]
    complete = [run for run in runs if run not in failed]
    assert len(complete) == n_complete
    assert all(len(read_metrics(run)["epoch"]) == 3 for run in complete)
    for run in failed:
        assert "Traceback" in (run.directory / "run.log").read_text()
    threads = [path.read_text() for path in folder.glob("threads_*")]
    assert threads == ["1 1"] * n_complete
    assert OmegaConf.load(complete[0].files.config).seed == 0  # pyright: ignore[reportAttributeAccessIssue]


def test_serial_launcher_completes_the_other_jobs_after_a_failure(tmp_path):
    done = sweep(tmp_path, "model=lstm_ppo", "seed=0,13,1")
    assert_only_seed_13_failed(done, tmp_path, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal for one process")
def test_an_interrupted_sweep_says_what_is_saved_and_what_is_not_run(tmp_path):
    arguments = ("model=lstm_ppo", "seed=0,1", "experiment.epochs=100000", "quiet=true")
    process = subprocess.Popen(
        command(tmp_path, *arguments), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    first = tmp_path / "sweep" / "0_treasurehunt_lstm_ppo_seed0"
    while not (first / "metrics.csv").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    last, before = (first / "run.log").read_text().splitlines()[-1:-3:-1]
    assert f"To resume: sorrel-recurrent-ppo run resume={first.relative_to(tmp_path)}" in before
    assert "The sweep ends here: its later jobs are not run." in last
    assert len(find_runs([tmp_path / "sweep"])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_parallel_launcher_completes_the_other_jobs_and_compare_reads_them(
    launcher, tmp_path, capsys
):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    done = sweep(tmp_path, f"hydra/launcher={launcher}", "model=gru_ppo,lstm_ppo", "seed=0,1,2,13")
    assert_only_seed_13_failed(done, tmp_path, 6)
    compare.main([str(tmp_path / "sweep")])
    shown = capsys.readouterr().out
    assert shown.count("Left out:") == 2
    for model in ("gru_ppo", "lstm_ppo"):
        assert re.search(rf"{model} +│ +3 ", shown)
    assert (tmp_path / "sweep" / "comparison" / "comparison.png").stat().st_size > 10_000
