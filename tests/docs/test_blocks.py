"""The commands and the code of README, contributing guide and site: they exist, and they run."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser

from sorrel_recurrent_ppo.cli import COMMANDS
from sorrel_recurrent_ppo.reports import compare, evaluate, inspect_states
from sorrel_recurrent_ppo.support.command_settings import parse_arguments
from support.doc_blocks import (
    PROGRAM,
    ROOT,
    all_blocks,
    commands,
    read_blocks,
    reduced,
    with_run_directory,
)
from support.packaged_configs import packaged_configs

SHELL = all_blocks("sh", "bash")
PYTHON = all_blocks("python")
SETTINGS = {
    "compare": compare._Settings,
    "evaluate": evaluate.EvaluateSettings,
    "inspect": inspect_states._Settings,
}
# Commands of other programs, which are not run.
OTHERS = {"cd", "git", "pip", "pre-commit", "source", "tensorboard", "tmux", "wandb"}


def by_page(blocks):
    """Return test parameters: one list of blocks, those that are run, for each page."""
    pages = dict.fromkeys(block.page for block in blocks if not block.not_run)
    return [
        pytest.param([b for b in blocks if b.page == page and not b.not_run], id=page)
        for page in pages
    ]


# --- the commands exist: also those that are not run ---


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_of_a_block_exist(block):
    for words in commands(block):
        while re.fullmatch(r"\w+=.*", words[0]):  # an environment variable
            words = words[1:]
        check_command(words)


def check_command(words):
    program, *arguments = words
    if program == PROGRAM:
        check_program(arguments)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {argument for argument in arguments if "=" not in argument} <= set(targets)
    elif program == "pip":
        check_extras(arguments)
    elif program in ("python", "python3"):
        check_script(arguments)
    elif "/" in program:
        assert (ROOT / program).exists(), program
    else:
        assert program in OTHERS or program == "sorrel", f"unknown program {program!r}"


def check_program(arguments):
    """Check a command of the package and its settings, without running it."""
    if not arguments or arguments[0].startswith("-"):
        return
    command, *rest = arguments
    assert command in COMMANDS
    if command == "run" and "--config-dir" not in rest:
        check_settings_of_run(rest)
    elif command in SETTINGS:
        parse_arguments(rest, SETTINGS[command])


def check_settings_of_run(arguments):
    """Compose the config; of a sweep that of the first job, and without Hydra's own settings."""
    settings = [word for word in arguments if "=" in word and not re.match(r"\+*hydra[./]", word)]
    settings = [word for word in settings if not word.startswith("resume=")]
    parsed = OverridesParser.create().parse_overrides(settings)
    first_job = [
        f"{text.partition('=')[0]}={next(override.sweep_string_iterator())}"
        if override.is_sweep_override()
        else text
        for text, override in zip(settings, parsed, strict=True)
    ]
    with packaged_configs():
        compose("config", overrides=first_job)


def check_extras(arguments):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for listed in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        assert set(listed.split(",")) <= set(extras), listed


def check_script(arguments):
    """A script of the checkout exists; any other is the reader's own."""
    script = arguments[0] if arguments else ""
    if script.startswith(("benchmarks/", "tests/", "tools/")):
        assert (ROOT / script).exists(), script


# --- the commands run ---


@pytest.mark.slow
@pytest.mark.parametrize("blocks", by_page(SHELL))
def test_commands_of_a_page_run_in_their_order(blocks, tmp_path):
    for block in blocks:
        for words in commands(block):
            if words[0] in (PROGRAM, "sorrel"):
                run(with_run_directory(reduced(words, block), tmp_path), block, tmp_path)


def run(words, block, folder):
    program = shutil.which(words[0], path=Path(sys.executable).parent)
    assert program is not None, f"{words[0]} is not installed beside {sys.executable}"
    call([program, *words[1:]], block, folder)


def call(arguments, block, folder):
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{block}: {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"


# --- code and configuration ---


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_is_valid(block):
    ast.parse(block.text)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", by_page(PYTHON))
def test_python_of_a_page_runs_in_its_order(blocks, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(block.text for block in blocks))
    call([sys.executable, str(script)], blocks[0], tmp_path)


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_valid(block):
    assert yaml.safe_load(block.text) is not None


# --- the reading of pages ---

PAGE = """\
# Title

<!-- not run: needs a cluster -->
```sh
one \\
    two
# a comment
three 'four five'  # six
```

- In a list:

  <!-- run with: a=1 'b=[2, 3]' -->
  ```sh
  sorrel-recurrent-ppo run seed=1
  ```

```text
not read as a command
```

````md
```sh
inner
```
````
"""


def test_blocks_have_their_hints_and_lines(tmp_path):
    first, second, text, outer = read_blocks(PAGE, tmp_path / "page.md")
    assert (first.line, first.not_run) == (4, "needs a cluster")
    assert commands(first) == [["one", "two"], ["three", "four five"]]
    assert (second.not_run, second.run_with) == ("", ("a=1", "b=[2, 3]"))
    assert (text.language, text.text) == ("text", "not read as a command")
    assert (outer.language, outer.text) == ("md", "```sh\ninner\n```")


def test_commands_that_train_are_reduced_by_the_hint_or_by_default(tmp_path):
    _, hinted, *_ = read_blocks(PAGE, tmp_path / "page.md")
    (words,) = commands(hinted)
    assert reduced(words, hinted)[-2:] == ["a=1", "b=[2, 3]"]
    (plain,) = read_blocks("```sh\nx\n```\n", tmp_path / "page.md")
    assert "experiment.epochs=2" in reduced(words, plain)
    cohort = [*words, "replacement=cohort"]
    assert {"experiment.epochs=11", "replacement.epochs=[1]"} < set(reduced(cohort, plain))
    for other in ([PROGRAM, "models"], [PROGRAM, "run", "resume=RUN_DIR"]):
        assert reduced(other, plain) == other


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (f"{PROGRAM} walk", AssertionError),
        (f"{PROGRAM} run world.gravity=1", Exception),
        (f"{PROGRAM} run -m model=gru_ppo,lstm_ppo sed=1,2", Exception),
        (f"{PROGRAM} compare RUN_DIR bye=model", Exception),
        ("make tee", AssertionError),
        ("pip install '.[everything]'", AssertionError),
        ("python benchmarks/nothing.py", AssertionError),
        ("walk", AssertionError),
    ],
)
def test_command_that_does_not_exist_is_found(command, error, tmp_path):
    (block,) = read_blocks(textwrap.dedent(f"```sh\n{command}\n```\n"), tmp_path / "page.md")
    with pytest.raises(error):
        check_command(commands(block)[0])


def test_run_directory_is_the_latest(tmp_path):
    for number, name in enumerate(("old", "new")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        metrics = tmp_path / "runs" / name / "metrics.csv"
        metrics.touch()
        os.utime(metrics, (number, number))
    words = with_run_directory(["inspect", "RUN_DIR", "agents.1=OTHER_RUN:0"], tmp_path)
    assert words == ["inspect", str(Path("runs/new")), f"agents.1={Path('runs/new')}:0"]
