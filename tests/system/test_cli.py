"""The command line in a process of its own: help, errors, exit codes and output."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.config_files import config_dir


def call(*arguments, **options):
    code = "from sorrel_recurrent_ppo.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    "arguments", [["run", "--help"], ["run", "--cfg", "job"], ["models"], ["evaluate", "--help"]]
)
def test_help_and_models_import_neither_torch_nor_jax_nor_matplotlib(arguments, tmp_path):
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


def test_help_of_run_lists_choices_and_settings(tmp_path):
    shown = call("run", "--help", cwd=tmp_path).stdout
    for words in ("treasurehunt", "gru_ppo, iqn, lstm_ppo", "max_turns: 100", "--debug"):
        assert words in shown


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=lstm_pp", "there is no model 'lstm_pp'. Did you mean 'lstm_ppo'? Valid: dqn"),
        ("threads=0", "threads must be an integer of at least 1, not 0"),
        ("experiment.epoch=3", "no key 'experiment.epoch'. Did you mean 'experiment.epochs'?"),
        ("model.lstm_ppo.hiden_size=3", "Did you mean 'model.lstm_ppo.hidden_size'?"),
        ("hidden_size=3", "Did you mean 'model.lstm_ppo.hidden_size'?"),
        ("modle=gru_ppo", "the config has no key 'modle'. Did you mean 'model'?"),
        ("seed=[1", "the argument 'seed=[1' cannot be read. Put arguments with brackets"),
        ("model.type=[lstm_ppo,", "into quotes of the shell, such as 'model.type=[lstm_ppo,iqn]'"),
        ("environment=tga", "Did you mean 'tag'?"),
        ("replacement.count=1", "choose one first, such as replacement=turnover"),
        ("environment=mine", "--config-dir=DIR adds DIR/environment/NAME.yaml"),
    ],
)
def test_invalid_override_prints_one_line_without_a_traceback(override, message, tmp_path):
    done = call("run", override, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("sorrel-recurrent-ppo run: ")
    assert len(done.stderr.splitlines()) == 1


def test_config_file_that_is_not_yaml_is_named(tmp_path):
    folder = tmp_path / "configs" / "environment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("experiment:\n  epochs: 3\n   turns: [1\n", encoding="utf-8")
    done = call("run", "--config-dir", "configs", "environment=mine", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "a config file is not valid YAML" in done.stderr
    assert "mine.yaml" in done.stderr


@pytest.mark.parametrize("override", [[], ["experiment.epochs=3"]])
def test_config_file_without_its_package_line_is_explained(override, tmp_path):
    folder = tmp_path / "configs" / "environment"
    folder.mkdir(parents=True)
    text = "environment: {name: mine}\nexperiment: {epochs: 3, max_turns: 5, record_period: 1}\n"
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    done = call("run", "--config-dir", "configs", "environment=mine", *override, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "first line of the environment's config file must be '# @package" in done.stderr


def test_run_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = call("run", "hydra.run.dir=taken", cwd=tmp_path)
    assert done.returncode == 2
    assert "taken could not be used: File exists" in done.stderr
    assert "Traceback" not in done.stderr


def with_a_file_as_directory(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    return ["hydra.run.dir=file/run"], "Not a directory"


def with_a_diverging_update(tmp_path):
    small = ["world.height=7", "world.width=7", "model.lstm_ppo.rollout_length=40"]
    return [*small, "model.lstm_ppo.learning_rate=1e38"], r"agent 0 .*1 was rolled back: .*\.pt"


@pytest.mark.parametrize(
    ("fault", "debug"),
    [
        (with_a_file_as_directory, False),
        (with_a_file_as_directory, True),
        (with_a_diverging_update, False),
    ],
)
def test_error_of_a_run_prints_one_line_or_with_debug_a_traceback(fault, debug, tmp_path):
    arguments, pattern = fault(tmp_path)
    done = call("run", *arguments, *(["--debug"] if debug else []), cwd=tmp_path)
    assert done.returncode != 0
    assert re.search(pattern, done.stderr)
    assert ("Traceback" in done.stderr) == debug
    if not debug:
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("sorrel-recurrent-ppo run: ")
        assert "Error executing job" not in done.stderr


@pytest.mark.parametrize("command", ["compare", "evaluate"])
def test_commands_print_help_and_one_line_errors(command, tmp_path):
    helped = call(command, "--help", cwd=tmp_path)
    assert helped.stdout.startswith(f"Usage: sorrel-recurrent-ppo {command} RUN_DIR")
    assert "Settings, with their defaults:" in helped.stdout
    wrong = call(command, "nowhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"sorrel-recurrent-ppo {command}: nowhere is not a directory")
    assert "Traceback" not in wrong.stderr
    assert "Traceback" in call(command, "nowhere", "--debug", cwd=tmp_path).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252"])
def test_tables_are_printed_in_the_encodings_of_terminals(encoding, tmp_path):
    small = ["world.height=7", "world.width=7", "experiment.epochs=1", "experiment.max_turns=2"]
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    code = (
        "import sys\n"
        "from sorrel_recurrent_ppo.cli import main\n"
        f"for arguments in {[['run', "hydra.run.dir='Läufe'", *small], ['evaluate', 'Läufe']]!a}:\n"
        "    sys.argv = ['sorrel-recurrent-ppo', *arguments]\n"
        "    main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert "Reward per epoch: mean of 10" in shown
    assert ("deterministic" in shown, "Läufe" in shown) == (True, encoding != "ascii")
    assert "Läufe" in (tmp_path / "Läufe" / "run.log").read_text(encoding="utf-8")


def test_evaluate_prints_its_table_and_no_agents_of_a_new_run(tmp_path):
    small = ["world.height=7", "world.width=7", "experiment.epochs=0", "experiment.max_turns=2"]
    assert call("run", *small, "hydra.run.dir=run", cwd=tmp_path).returncode == 0
    done = call("evaluate", "run", "epochs=1", "gif=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "deterministic" in done.stdout
    assert "was iRainbowModel" not in done.stdout + done.stderr


def test_debug_prints_the_traceback(tmp_path):
    done = call("run", "threads=0", "--debug", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "threads must be" in done.stderr


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_run_prints_nothing_but_writes_log_and_files(quiet, tmp_path):
    small = ["world.height=7", "world.width=7", "experiment.epochs=1", "experiment.max_turns=2"]
    small += ["model.lstm_ppo.rollout_length=4"]  # no warning of a run without an update
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
        epochs = [line.split()[1] for line in lines if line.startswith("epoch ")]
        assert epochs == ["0/1", "1/1"]
    assert "Training 2 agents" in (tmp_path / "run.log").read_text()
    assert (tmp_path / "metrics.csv").exists()


def test_run_with_a_custom_config_directory_resumes_by_the_printed_command(tmp_path):
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
    assert first.command.endswith(" hydra.run.dir=begun")
    assert second.command == f"{program} resume=begun experiment.epochs=1"


def test_a_config_file_of_a_packaged_name_is_an_error(tmp_path):
    folder = tmp_path / "configs" / "environment"
    folder.mkdir(parents=True)
    (folder / "tag.yaml").write_text("# @package _global_\nworld: {height: 5}\n")
    arguments = ("--config-dir", "configs", "environment=tag", "experiment.epochs=0")
    done = call("run", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "tag.yaml has no effect, since the package has environment=tag itself" in done.stderr
