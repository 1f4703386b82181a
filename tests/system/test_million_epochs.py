"""Memory of the commands on a run of 1.5 million epochs with 10 agents, and the size of its state.

The CSV files are generated; the commands, the models and the state are real.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sorrel_recurrent_ppo.experiments.built_experiment import build_experiment
from sorrel_recurrent_ppo.experiments.interruption import StopRequest
from sorrel_recurrent_ppo.experiments.resume.run_checkpoints import RunCheckpoints
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.experiments.run_sinks import build_logger
from sorrel_recurrent_ppo.population.member import REWARDS_KEPT
from sorrel_recurrent_ppo.run_files import RunFiles
from support.long_runs import lengthen
from support.small_runs import run, small_config, without_times

pytestmark = pytest.mark.usefixtures("own_process")

N_EPOCHS, N_AGENTS = 1_500_000, 10
MAX_MEGABYTES = 300  # in addition to those that the imported libraries take
LONG = (
    *("tag", "gru_ppo", f"agent.num_agents={N_AGENTS}", "world.height=9", "world.width=9"),
    *("record_states=true", "experiment.record_period=1", "model.gru_ppo.rollout_length=8"),
)
# Prints the peak memory in MB when the libraries are imported, and at the end.
MEASURED = """
import resource, sys
from pathlib import Path
from sorrel_recurrent_ppo import cli
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.reports import compare, comparison_plot, evaluate, evaluation
from sorrel_recurrent_ppo.reports import inspect_states
from sorrel_recurrent_ppo.recording import agent_view, state_plots
from sorrel_recurrent_ppo.experiments.logging.plotting import plot_learning_curve
from sorrel_recurrent_ppo.population.member import REWARDS_KEPT
from sorrel_recurrent_ppo.run_files import RunFiles

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
if sys.argv[1] == "plot":
    plot_learning_curve(RunFiles(Path(sys.argv[2])), "a long run")
else:
    cli.main()
print("peak", before, peak())
"""
COMMANDS = {
    "plot": (["plot", "run"], "run/learning_curve.png"),
    "compare": (["compare", "run", "output=compared"], "compared/comparison.png"),
    "evaluate": (["evaluate", "run", "epochs=1", "output=played"], "played/summary.csv"),
    "inspect": (["inspect", "run", "output=plots"], "plots"),
}


@pytest.fixture(scope="module")
def long_run():
    """Return a folder with the run, which is removed at once: it has gigabytes."""
    with tempfile.TemporaryDirectory() as folder:
        files, _ = run(Path(folder) / "run", *LONG)
        lengthen(files, N_EPOCHS)
        yield Path(folder)


def test_short_runs_are_lengthened_row_by_row(tmp_path):
    files, _ = run(tmp_path / "run", *LONG)
    before = without_times(files.agents)[-1]
    lengthen(files, 112)
    metrics, agents = without_times(files.metrics), without_times(files.agents)
    assert [row["epoch"] for row in metrics] == [str(epoch) for epoch in range(112)]
    assert [row["epoch"] for row in agents] == [str(k // N_AGENTS) for k in range(1120)]
    assert (agents[-1]["reward"], agents[-12]["reward"]) == ("86.52", "78.38")
    assert agents[-1] == {**before, "epoch": "111", "reward": "86.52"}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_memory_of_a_command_is_bounded(command, long_run):
    arguments, written = COMMANDS[command]
    done = subprocess.run(
        # The process is a child of the shell, since one inherits the peak of what it replaces.
        ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", MEASURED, *arguments],
        cwd=long_run,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split("peak ")[1].split())
    print(f"{command}: {after} MB at most, {before} MB of them by imports")
    assert after - before < MAX_MEGABYTES
    assert (long_run / written).exists()


def size_of_state(directory, n_epochs):
    """Return the size of the state of a run after a number of epochs, by its counters."""
    # Equal strings take less space in a file if they are one object, as in an accelerated run.
    settings = ("accelerate=false", "experiment.epochs=1500000", "checkpoint_period=1")
    experiment = build_experiment(resolve_config(small_config("tag", "lstm_ppo", *settings)))
    files, population = RunFiles(directory), experiment.population
    logger = build_logger(experiment, files, state=None, plain=True, stop=StopRequest())
    logger.n_epochs, logger.turns, logger.steps = n_epochs, 100 * n_epochs, 1000 * n_epochs
    logger.record_epoch(n_epochs, loss=0.5, reward=1.5)
    population.epoch = n_epochs
    for member in population.members:
        member.n_epochs = n_epochs
        member.rewards = [0.1] * REWARDS_KEPT
        member.model.n_updates = n_epochs
        member.model.earlier_timesteps = 100 * n_epochs
    checkpoints = RunCheckpoints(
        experiment, logger, files, period=1, first_epoch=0, stop=StopRequest()
    )
    checkpoints(experiment.runner, n_epochs)
    logger.close()
    return files.run_state.stat().st_size


def test_state_has_the_same_size_after_a_thousand_and_a_million_epochs(tmp_path):
    sizes = [size_of_state(tmp_path / str(n), n) for n in (1_000, 1_000_000)]
    assert abs(sizes[1] - sizes[0]) < 300  # digits of counters
