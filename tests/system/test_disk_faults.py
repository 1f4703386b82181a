"""Full disks, read-only directories, and processes that are killed during a write."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint, write_checkpoint
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import CsvTable, TablePosition, read_columns
from support.run_comparison import assert_same_runs
from support.run_processes import PROCESSES
from support.small_models import small_model
from support.small_runs import run, small_config

resource = pytest.importorskip("resource", reason="limits and permissions are those of Unix")

UNPRIVILEGED_ID = 65534


def in_child(test, *arguments):
    """Run a function of this module in a child process; return the exit code.

    It keeps changed limits, permissions and functions out of the test process.
    """
    process = PROCESSES.Process(target=test, args=arguments)
    process.start()
    process.join()
    return process.exitcode


@contextmanager
def file_size_limit(n_bytes):
    """Make the system refuse to write more than ``n_bytes`` to any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


# --- no space left ---


def save_without_space(directory):
    model = small_model("lstm_ppo")
    model.save(directory / "model.pt")
    before = contents(directory)
    with file_size_limit(len(before[Path("model.pt")]) // 2):
        for name in ("model.pt", "new.pt"):
            with pytest.raises(CheckpointError, match=f"{name} could not be written: .*too large"):
                model.save(directory / name)
    assert contents(directory) == before
    model.save(directory / "new.pt")


def append_without_space(path):
    with CsvTable(path, ["epoch", "reward"]) as table:
        table.append({"epoch": 0, "reward": 1.5})
        before = path.read_bytes()
        with file_size_limit(len(before) + 2):
            for row in ({"epoch": 1, "reward": 0.123456789}, {"epoch": 1, "reward": 2, "new": 3}):
                with pytest.raises(OSError, match=f"File too large: '{path}'"):
                    table.append(row)
                assert contents(path.parent) == {Path(path.name): before}
        table.append({"epoch": 1, "reward": 2, "new": 3})
    assert path.read_text().split() == ["epoch,reward,new", "0,1.5,", "1,2,3"]


def test_failed_save_keeps_the_previous_checkpoint(tmp_path):
    assert in_child(save_without_space, tmp_path) == 0


def test_failed_append_keeps_complete_rows(tmp_path):
    assert in_child(append_without_space, tmp_path / "table.csv") == 0


def resume_without_space(directory, model):
    torch.set_num_threads(1)
    files = RunFiles(directory)
    config = small_config("treasurehunt", model, "checkpoint_period=1", "experiment.epochs=4")
    states = [path.stat().st_size for path in (files.checkpoint("0"), files.run_state)]
    with (
        file_size_limit(min(states) // 2),
        pytest.raises(CheckpointError, match="could not be written"),
    ):
        experiment.run_experiment(config, files, resume=True)


@pytest.mark.parametrize("model", ["lstm_ppo", "iqn"])
@pytest.mark.usefixtures("own_process")
def test_run_without_space_keeps_its_files_and_can_be_resumed(model, tmp_path):
    settings = ("treasurehunt", model, "checkpoint_period=1")
    files, _ = run(tmp_path / "run", *settings)
    saved = [*files.checkpoints.glob("*.pt"), files.run_state]
    before = [path.read_bytes() for path in saved]
    assert in_child(resume_without_space, files.directory, model) == 0
    assert [path.read_bytes() for path in saved] == before
    assert not list(files.directory.rglob(".*"))
    assert read_columns(files.metrics)["epoch"].tolist() == ["0", "1", "2", "3"]
    longer = small_config(*settings, "experiment.epochs=4")
    experiment.run_experiment(longer, files, resume=True)
    uninterrupted, _ = run(tmp_path / "uninterrupted", *settings, "experiment.epochs=4")
    assert_same_runs(files, uninterrupted)


# --- no write permission, or a directory in place of the file ---


def save_without_permission(directory):
    model = small_model("gru_ppo")
    model.save(directory / "model.pt")
    with CsvTable(directory / "table.csv", ["epoch"]):
        pass
    before = contents(directory)
    directory.chmod(0o555)
    if os.geteuid() == 0:  # root ignores the mode
        os.setgid(UNPRIVILEGED_ID)
        os.setuid(UNPRIVILEGED_ID)
    for name in ("model.pt", "new.pt"):
        with pytest.raises(CheckpointError, match=f"{name} could not be written: .*denied"):
            model.save(directory / name)
    with pytest.raises(PermissionError, match=f"'{directory / 'table.csv'}'"):
        CsvTable(directory / "table.csv", ["epoch", "reward"])
    model.load(directory / "model.pt")
    assert contents(directory) == before


def test_read_only_directory_is_an_error_and_stays_unchanged():
    # Other users have no access to pytest's temporary directories.
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        directory = Path(top) / "run"
        directory.mkdir()
        assert in_child(save_without_permission, directory) == 0


@pytest.mark.usefixtures("own_process")
def test_run_stops_if_its_state_file_is_a_directory(tmp_path):
    files = RunFiles(tmp_path / "run")
    files.run_state.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"run_state\.pt could not be written"):
        run(files.directory, "treasurehunt", "lstm_ppo", "checkpoint_period=1")
    assert read_columns(files.metrics)["epoch"].tolist() == ["0"]
    assert files.learning_curve.exists()
    assert not list(files.directory.rglob(".*"))


# --- a process that is killed between writing and renaming ---


def kill_before_the_rename(write, path):
    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = kill
    write(path)


def save_another_model(path):
    small_model("lstm_ppo", seed=9).save(path)


def add_a_column(path):
    with CsvTable(path, ["epoch"], kept=TablePosition(1)) as table:
        table.append({"epoch": 1, "new": 2})


def write_a_state(path):
    write_checkpoint(path, {"epoch": 2})


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("checkpoints/0.pt", save_another_model),
        ("metrics.csv", add_a_column),
        ("run_state.pt", write_a_state),
    ],
)
def test_kill_between_writing_and_renaming_keeps_the_previous_file(name, write, tmp_path):
    files, path = RunFiles(tmp_path), tmp_path / name
    files.checkpoints.mkdir()
    if path.suffix == ".csv":
        path.write_text("epoch\n0\n")
    else:
        small_model("lstm_ppo", seed=5).save(path)
    before = contents(tmp_path)
    assert in_child(kill_before_the_rename, write, path) == -signal.SIGKILL
    after = contents(tmp_path)
    assert after.pop(Path(name)) == before[Path(name)]
    (partial,) = after  # written, but not yet renamed
    assert (partial.parent, partial.name[0]) == (Path(name).parent, ".")
    files.remove_partial_files()  # as on resuming the run
    assert contents(tmp_path) == before
    write(path)
    assert contents(tmp_path).keys() == before.keys()
    assert contents(tmp_path) != before


# --- the command on a full disk ---

# A separate disk in the shell's own mount namespace, with the given number of free bytes.
ON_A_FULL_DISK = """
set -e
mount -t tmpfs -o size=4m tmpfs "$1" || exit 77
cp -r "$2" "$1/run"
cat /dev/zero > "$1/filler" 2> /dev/null || true
truncate -s "-$3" "$1/filler"
cd "$1"
code=0
"$4" -c "from sorrel_recurrent_ppo.cli import main; main()" run resume=run $5 || code=$?
mv "$1/run" "$2.after"
exit $code
"""


def run_on_a_full_disk(tmp_path, n_free, *arguments):
    """Resume the run in ``tmp_path / "run"`` on a disk with ``n_free`` bytes left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_FULL_DISK, "sh"]
    done = subprocess.run(
        [*command, disk, tmp_path / "run", str(n_free), sys.executable, " ".join(arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (1, 77) and ("unshare:" in done.stderr or "mount:" in done.stderr):
        pytest.skip(f"cannot mount a disk: {done.stderr.splitlines()[0]}")
    return done, RunFiles(tmp_path / "run.after")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="requires unshare")
@pytest.mark.parametrize("n_free", [0, 65536, 262144])
@pytest.mark.usefixtures("own_process")
def test_full_disk_stops_the_command_with_one_line_and_the_run_can_be_resumed(n_free, tmp_path):
    settings = ["checkpoint_period=1", "experiment.max_turns=2"]
    earlier, _ = run(tmp_path / "run", "treasurehunt", "lstm_ppo", *settings)
    assert earlier.run_state.exists()
    done, files = run_on_a_full_disk(tmp_path, n_free, "experiment.epochs=400")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sorrel-recurrent-ppo run: ")
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in files.directory.rglob(".*") if path.name != ".hydra"]
    for path in [*files.checkpoints.glob("*.pt"), files.run_state]:
        read_checkpoint(path)
    n_rows = len(read_columns(files.metrics)["epoch"])
    assert n_rows >= 3
    config = small_config("treasurehunt", "lstm_ppo", *settings, f"experiment.epochs={n_rows + 2}")
    assert experiment.run_experiment(config, files, resume=True).n_epochs == n_rows + 3
