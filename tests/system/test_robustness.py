"""Unusual settings and surroundings of the program: one-line errors, or runs as ever."""

import os
import re
import subprocess
import sys
import threading

import pytest
from sorrel.examples.tag.env import TagEnv

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.run_files import RunFiles
from support.read_only import call_with_read_only
from support.small_runs import resume, run, without_times

PROGRAM = [sys.executable, "-m", "sorrel_recurrent_ppo"]
SMALL = [
    *("world.height=7", "world.width=7", "experiment.epochs=1", "experiment.max_turns=4"),
    *("model.lstm_ppo.hidden_size=8", "model.lstm_ppo.rollout_length=4", "seed=1"),
]


def call(*arguments, program=PROGRAM, **options):
    return subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=False, **options
    )


def assert_one_line(done, *parts):
    """Assert that a command ended with a one-line error for the user."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sorrel-recurrent-ppo ")
    for part in parts:
        assert part in last


# --- settings ---

NO_AGENTS = {
    "treasurehunt": ("model.num_agents=0",),
    "tag": ("agent.num_agents=0",),
    "cleanup": ("agent.agent.num=0",),
}
TOO_SMALL = {
    "treasurehunt": ("world.height=2", "world.width=2"),
    "cleanup": ("env.height=2", "env.width=3"),
    "tag": ("world.height=4", "world.width=4", "agent.num_agents=5"),
    "iowa": ("world.height=-1", "world.width=4"),
    "state_punishment": ("world.height=3", "world.width=3"),
}


@pytest.mark.parametrize("seed", [2**64, 10**30, -1])
def test_seed_beyond_64_bits_is_refused(seed, tmp_path):
    with pytest.raises(ConfigError, match=r"seed must be an integer .* 18446744073709551615, not"):
        run(tmp_path / "run", "treasurehunt", "lstm_ppo", f"seed={seed}")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("own_process")
def test_largest_seed_runs(tmp_path):
    files, _ = run(tmp_path / "run", "treasurehunt", "lstm_ppo", f"seed={2**64 - 1}")
    resume(files, "experiment.epochs=3")
    assert len(without_times(files.metrics)) == 4


@pytest.mark.parametrize("environment", NO_AGENTS)
@pytest.mark.usefixtures("own_process")
def test_environment_without_agents_is_refused(environment, tmp_path):
    (setting,) = NO_AGENTS[environment]
    with pytest.raises(ConfigError, match=f"no agents, expected at least 1; .* has {setting}$"):
        run(tmp_path / "run", environment, "lstm_ppo", setting)


@pytest.mark.parametrize("environment", TOO_SMALL)
@pytest.mark.usefixtures("own_process")
def test_world_that_is_too_small_is_refused(environment, tmp_path):
    sizes = TOO_SMALL[environment]
    with pytest.raises(ConfigError, match=r"the world is too small|do not fit") as refused:
        run(tmp_path / "run", environment, "lstm_ppo", *sizes)
    for value in (setting.partition("=")[2] for setting in sizes[:2]):
        assert value in str(refused.value)


@pytest.mark.usefixtures("own_process")
def test_agent_without_a_place_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(TagEnv, "populate_environment", lambda env: None)
    message = r"no place in the world \(.*world.height=6.*populate_environment"
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "run", "tag", "lstm_ppo")


def test_impossible_worlds_print_one_line(tmp_path):
    assert_one_line(call("run", *SMALL, "world.height=2", cwd=tmp_path), "the world is too small")


# --- directories ---


@pytest.mark.usefixtures("own_process")
def test_read_only_run_directory_is_refused_on_resume(tmp_path):
    files, _ = run(tmp_path / "run")
    before = {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()}
    command = [*PROGRAM, "run", "resume=run", "experiment.epochs=5"]
    done = call_with_read_only("run", command, cwd=tmp_path)
    assert_one_line(done, "run.log could not be used: Read-only file system")
    after = {path: path.read_bytes() for path in files.directory.rglob("*") if path.is_file()}
    assert after == before


MODULE = """
from sorrel.examples.treasurehunt.env import TreasurehuntEnv


class Field(TreasurehuntEnv):
    pass
"""


def test_run_in_its_own_directory_finds_modules_and_files_of_the_original_one(tmp_path):
    (tmp_path / "field.py").write_text(MODULE, encoding="utf-8")
    plain = ["run", *SMALL, "environment.env_class=field.Field"]
    assert call(*plain, "hydra.run.dir=plain", cwd=tmp_path).returncode == 0
    own = [*plain, "hydra.job.chdir=true", "hydra.run.dir=own"]
    own += ["+model.lstm_ppo.checkpoint=plain/checkpoints/0.pt"]
    done = call(*own, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = RunFiles(tmp_path / "own")
    for options in ([], ["hydra.job.chdir=true"]):
        n_epochs = len(without_times(files.metrics))
        resumed = call("run", "resume=own", f"experiment.epochs={n_epochs}", *options, cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stderr
        assert len(without_times(files.metrics)) == n_epochs + 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        *(["__pycache__"] if (tmp_path / "__pycache__").exists() else []),
        *("own", "plain"),
    ]


# --- limits of the system ---


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
@pytest.mark.parametrize("limit", ["-n 64", "-S -n 64"], ids=["the system's", "the process's own"])
def test_turns_of_many_agents_need_file_handles(limit, tmp_path):
    limited = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *PROGRAM]
    settings = ["environment=tag", "agent.num_agents=100", "log_turns=true"]
    world = ["world.height=15", "world.width=15", "hydra.run.dir=run"]
    done = call("run", *SMALL, *settings, *world, program=limited, cwd=tmp_path)
    if limit == "-n 64":
        assert done.returncode == 2
        message = "log_turns=true with 100 agents needs up to 200 open files, but .* may open 64 "
        assert re.search(message, done.stderr)
        assert not (tmp_path / "run" / "metrics.csv").exists()
    else:
        assert done.returncode == 0, done.stderr
        assert len(without_times(tmp_path / "run" / "agents.csv")) == 200
        assert len(list((tmp_path / "run" / "tensorboard").rglob("events*"))) > 100


# --- Hydra and threads ---


def test_run_resume_and_sweep_give_no_warnings(tmp_path):
    strict = [sys.executable, "-W", "error", "-m", "sorrel_recurrent_ppo"]
    done = call("run", *SMALL, "hydra.run.dir=run", program=strict, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    resumed = call("run", "resume=run", "experiment.epochs=2", program=strict, cwd=tmp_path)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    sweep = ["run", "-m", *SMALL[:-1], "seed=1,2", "hydra.sweep.dir=sweep"]
    swept = call(*sweep, program=strict, cwd=tmp_path)
    assert (swept.returncode, swept.stderr) == (0, "")


@pytest.mark.usefixtures("own_process")
def test_second_run_in_another_thread_is_refused(tmp_path, monkeypatch):
    from sorrel.environment import Environment

    take_turn, refused = Environment.take_turn, []

    def start_another():
        try:
            run(tmp_path / "other")
        except ConfigError as error:
            refused.append(str(error))

    def during_a_turn(env, epoch=0):
        if not refused:
            thread = threading.Thread(target=start_another)
            thread.start()
            thread.join()
        return take_turn(env, epoch)

    monkeypatch.setattr(Environment, "take_turn", during_a_turn)
    files, _ = run(tmp_path / "run")
    assert len(without_times(files.metrics)) == 3
    assert refused[0].startswith("another run is in progress in this process")
    assert "process of its own" in refused[0]
    run(tmp_path / "later")  # one after another
    assert not (tmp_path / "other").exists()
    assert os.listdir(tmp_path / "later") != []
