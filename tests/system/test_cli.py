"""The command line, and what it does without running anything."""

import errno
import re
import shutil
import subprocess
import sys
import threading

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo import cli
from sorrel_recurrent_ppo.cli.error_sentences import error_sentence
from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import NumericalError
from sorrel_recurrent_ppo.registry import available_models


def call(*arguments, **options):
    code = "from sorrel_recurrent_ppo.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_without_a_command_it_lists_them(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo"])
    cli.main()
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_an_unknown_command_suggests_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "rum"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "there is no command 'rum'. Did you mean 'run'?" in capsys.readouterr().err


def test_models_lists_every_model(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models"])
    cli.main()
    assert capsys.readouterr().out.split() == list(available_models())


@pytest.mark.parametrize(
    "arguments", [["run", "--help"], ["run", "--cfg", "job"], ["models"], ["evaluate", "--help"]]
)
def test_looking_is_quick_since_it_imports_neither_torch_nor_jax(arguments, tmp_path):
    code = (
        "import atexit, sys\n"
        "heavy = lambda: [m for m in ('torch', 'jax', 'matplotlib') if m in sys.modules]\n"
        "atexit.register(lambda: print('heavy:', heavy()))\n"
        "from sorrel_recurrent_ppo.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_choices_and_the_settings(tmp_path):
    shown = call("run", "--help", cwd=tmp_path).stdout
    for words in ("treasurehunt", "gru_ppo, iqn, lstm_ppo", "max_turns: 100", "--debug"):
        assert words in shown


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model=lstm_pp", "there is no model 'lstm_pp'. Did you mean 'lstm_ppo'? Valid: dqn"),
        ("threads=0", "threads must be an integer of at least 1, not 0"),
        ("experiment.epoch=3", "no key 'experiment.epoch'. Did you mean 'experiment.epochs'?"),
        ("model.lstm_ppo.hiden_size=3", "Did you mean 'model.lstm_ppo.hidden_size'?"),
        ("hidden_size=3", "Did you mean 'model.lstm_ppo.hidden_size'?"),
        ("modle=gru_ppo", "the config has no key 'modle'. Did you mean 'model'?"),
        ("seed=[1", "no viable alternative at input '[1'"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_not_in_a_traceback(override, told, tmp_path):
    done = call("run", override, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.splitlines()[-1].startswith("sorrel-recurrent-ppo run: ")
    assert "Traceback" not in done.stderr


def in_a_places_way(tmp_path):
    (tmp_path / "file").write_text("in the way")
    return ["hydra.run.dir=file/run"], "Not a directory"


def with_numbers_that_explode(tmp_path):
    small = ["world.height=7", "world.width=7", "model.lstm_ppo.rollout_length=40"]
    return [*small, "model.lstm_ppo.learning_rate=1e38"], r"agent 0 .*update 1 was undone: .*\.pt"


@pytest.mark.parametrize(
    ("fault", "debug"),
    [(in_a_places_way, False), (in_a_places_way, True), (with_numbers_that_explode, False)],
)
def test_what_stops_a_run_is_told_in_one_sentence_or_with_its_traceback(fault, debug, tmp_path):
    arguments, told = fault(tmp_path)
    done = call("run", *arguments, *(["--debug"] if debug else []), cwd=tmp_path)
    assert done.returncode != 0
    assert re.search(told, done.stderr)
    assert ("Traceback" in done.stderr) == debug
    if not debug:
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("sorrel-recurrent-ppo run: ")


def test_faults_of_disks_and_numbers_are_told_and_those_of_programs_are_not():
    assert error_sentence(NumericalError("agent 0: a weight is not finite")) == (
        "agent 0: a weight is not finite"
    )
    full = OSError(errno.ENOSPC, "No space left on device")
    assert error_sentence(full) == "a file could not be used: No space left on device"
    full.filename = "run/metrics.csv"
    assert error_sentence(full) == "run/metrics.csv could not be used: No space left on device"
    assert error_sentence(OSError(errno.EBADF, "Bad file descriptor")) is None
    assert error_sentence(RuntimeError("a fault of ours")) is None


def test_a_thread_that_meets_a_full_disk_prints_no_traceback(monkeypatch):
    printed = []
    monkeypatch.setattr("threading.excepthook", printed.append)

    def fail(arguments):
        for error in (OSError(errno.ENOSPC, "full"), ZeroDivisionError("ours")):

            def raise_it(error=error):
                raise error

            thread = threading.Thread(target=raise_it)
            thread.start()
            thread.join()

    before = threading.excepthook
    monkeypatch.setitem(cli.COMMANDS, "models", cli.Command("fails", fail))
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models"])
    cli.main()
    assert [caught.exc_type for caught in printed] == [ZeroDivisionError]
    assert threading.excepthook is before
    printed.clear()
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models", "--debug"])
    cli.main()
    assert [caught.exc_type for caught in printed] == [OSError, ZeroDivisionError]


@pytest.mark.parametrize("command", ["compare", "evaluate"])
def test_every_command_has_its_help_and_its_mistakes_in_one_sentence(command, tmp_path):
    helped = call(command, "--help", cwd=tmp_path)
    assert helped.stdout.startswith(f"Usage: sorrel-recurrent-ppo {command} RUN_DIR")
    assert "Settings, with their defaults:" in helped.stdout
    wrong = call(command, "nowhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"sorrel-recurrent-ppo {command}: nowhere is not a directory")
    assert "Traceback" not in wrong.stderr
    assert "Traceback" in call(command, "nowhere", "--debug", cwd=tmp_path).stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(tmp_path):
    done = call("run", "threads=0", "--debug", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "threads must be" in done.stderr


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_run_says_nothing_and_leaves_its_log_and_files(quiet, tmp_path):
    small = ["world.height=7", "world.width=7", "experiment.epochs=1", "experiment.max_turns=2"]
    directory = f"hydra.run.dir={tmp_path}"
    flag = ["--quiet"] if quiet else []
    done = call("run", *flag, "experiment.animate=true", directory, *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    if quiet:
        assert lines == []
    else:
        assert lines[0].startswith("agents 0-1: lstm_ppo")
        assert lines[1].startswith("Training 2 agents (lstm_ppo) in treasurehunt, epochs 0 to 1")
        assert [line.split()[:2] for line in lines[2:4]] == [["epoch", "0/1"], ["epoch", "1/1"]]
    assert "Training 2 agents" in (tmp_path / "run.log").read_text()
    assert (tmp_path / "metrics.csv").exists()


def test_a_run_of_ones_own_config_goes_on_by_the_command_that_is_printed(tmp_path):
    folder = tmp_path / "configs" / "environment"
    folder.mkdir(parents=True)
    shutil.copy(config_dir() / "environment" / "tag.yaml", folder / "mine.yaml")
    small = ["experiment.epochs=0", "experiment.max_turns=2", "agent.num_agents=2", "quiet=true"]
    begun = call(
        *("run", "--config-dir", "configs", "environment=mine", "hydra.run.dir=begun", *small),
        cwd=tmp_path,
    )
    assert begun.returncode == 0, begun.stderr
    resumed = call("run", "resume=begun", "experiment.epochs=1", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len((tmp_path / "begun" / "metrics.csv").read_text().splitlines()) == 3
    first, second = OmegaConf.load(tmp_path / "begun" / "provenance.yaml").sessions
    program = "sorrel-recurrent-ppo run"
    assert first.command.startswith(f"{program} --config-dir {tmp_path}/configs environment=mine ")
    assert second.command == f"{program} resume=begun experiment.epochs=1"
