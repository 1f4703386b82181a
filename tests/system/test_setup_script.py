"""scripts/with-venv: the choice of an interpreter, and reuse and repair of the environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script for POSIX shells")

SCRIPT = Path(__file__).parents[2] / "scripts" / "with-venv"
TOOLS = ["sh", "cat", "cksum", "cut", "dirname", "rm", "tr"]

FAKE_PYTHON = """#!/bin/sh
# A fake interpreter: it answers the script's queries and copies itself into new environments.
case "$*" in
    *version_info*) exit {too_old} ;;
    *"import ensurepip"*) exit {no_venv} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip install "*) echo "$*" >> "$(dirname "$0")/../../pip-calls" ;;
    "-m pip --version") ;;
    *) echo "ran $*" ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A checkout on a machine with the usual tools and without an interpreter."""
    checkout = tmp_path / "check out"
    (checkout / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / "scripts")
    (checkout / "pyproject.toml").write_text("[project]\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in [*TOOLS, "cp", "mkdir"]:
        (tools / name).symlink_to(shutil.which(name) or name)
    return Machine(checkout, tools, home=tmp_path / "home")


class Machine:
    def __init__(self, checkout, tools, home):
        self.checkout, self.home, self.path = checkout, home, [tools]

    def add_python(self, path, *, too_old=False, no_venv=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAKE_PYTHON.format(too_old=int(too_old), no_venv=int(no_venv)))
        path.chmod(0o755)
        return path

    def call(self, *command, **environ):
        return subprocess.run(
            [str(self.checkout / "scripts" / "with-venv"), *command],
            env={"PATH": os.pathsep.join(map(str, self.path)), "HOME": str(self.home), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    def installations(self):
        calls = self.checkout / "pip-calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


needs_bare_machine = pytest.mark.skipif(
    any(Path(d, "python3").exists() for d in ("/usr/local/bin", "/opt/homebrew/bin")),
    reason="this machine has interpreters outside PATH that cannot be hidden",
)


@needs_bare_machine
def test_missing_interpreter_is_a_one_line_error(machine):
    done = machine.call("true")
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "no Python 3.12 or newer found" in line


def test_script_skips_unsuitable_interpreters_on_path(machine, tmp_path):
    for folder, too_old in [("shims", True), ("good", False)]:
        machine.add_python(tmp_path / folder / "python3.12", too_old=too_old)
        machine.path.append(tmp_path / folder)
    done = machine.call("python", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran hello\n"
    assert str(tmp_path / "good" / "python3.12") in done.stderr


def test_script_finds_interpreters_of_pyenv_outside_path(machine):
    good = machine.add_python(machine.home / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3")
    done = machine.call("python", "hello")
    assert done.returncode == 0, done.stderr
    assert str(good) in done.stderr


@needs_bare_machine
def test_interpreter_without_venv_is_an_error_that_names_the_package(machine, tmp_path):
    bare = machine.add_python(tmp_path / "bare" / "python3.12", no_venv=True)
    machine.path.append(bare.parent)
    done = machine.call("true")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert str(bare) in line
    assert "python3-venv" in line


def test_python_variable_chooses_the_interpreter(machine, tmp_path):
    machine.add_python(tmp_path / "path" / "python3.12")
    machine.path.append(tmp_path / "path")
    old = machine.add_python(tmp_path / "old" / "python", too_old=True)
    rejected = machine.call("true", PYTHON=str(old))
    assert rejected.returncode != 0
    assert f"PYTHON={old} is not Python 3.12" in rejected.stderr
    chosen = machine.add_python(tmp_path / "chosen" / "python")
    done = machine.call("python", "hello", PYTHON=str(chosen))
    assert done.returncode == 0, done.stderr
    assert str(chosen) in done.stderr


def test_script_reinstalls_only_after_a_change_of_pyproject_toml(machine, tmp_path):
    machine.add_python(tmp_path / "good" / "python3.12")
    machine.path.append(tmp_path / "good")
    assert machine.call("python", "first").returncode == 0
    assert machine.installations() == 1
    second = machine.call("python", "second")
    assert (second.stdout, second.stderr) == ("ran second\n", "")
    assert machine.installations() == 1
    (machine.checkout / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert machine.call("python", "third").returncode == 0
    assert machine.installations() == 2


def test_script_installs_an_extra_once_and_only_where_it_is_asked_for(machine, tmp_path):
    machine.add_python(tmp_path / "good" / "python3.12")
    machine.path.append(tmp_path / "good")

    def installed(**environ):
        assert machine.call("python", "hello", **environ).returncode == 0
        return (machine.checkout / "pip-calls").read_text().splitlines()

    assert installed()[-1].endswith(" .[dev]")
    assert installed(EXTRAS="docs")[-1].endswith(" .[dev,docs]")
    assert len(installed(EXTRAS="docs")) == len(installed()) == 2
    (machine.checkout / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert installed()[-1].endswith(" .[dev]")
    assert installed(EXTRAS="docs")[-1].endswith(" .[dev,docs]")


@pytest.mark.parametrize("fault", ["interpreter missing", "too old", "moved"])
def test_script_recreates_a_broken_environment(machine, tmp_path, fault):
    machine.add_python(tmp_path / "good" / "python3.12")
    machine.path.append(tmp_path / "good")
    assert machine.call("python", "first").returncode == 0
    inside = machine.checkout / ".venv" / "bin" / "python"
    (machine.checkout / ".venv" / "left over").touch()
    if fault == "interpreter missing":
        inside.unlink()
    elif fault == "too old":
        machine.add_python(inside, too_old=True)
    else:
        machine.checkout = machine.checkout.rename(tmp_path / "moved")
    done = machine.call("python", "second")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran second\n"
    assert not (machine.checkout / ".venv" / "left over").exists()
    assert machine.installations() == 2


def test_failed_installation_is_an_error_and_repeated_by_the_next_call(machine, tmp_path):
    good = machine.add_python(tmp_path / "good" / "python3.12")
    working = good.read_text()
    good.write_text(working.replace('"-m pip install "*)', '"-m pip install "*) exit 1;'))
    machine.path.append(good.parent)
    failed = machine.call("python", "first")
    assert failed.returncode != 0
    assert "installation failed" in failed.stderr
    (machine.checkout / ".venv" / "bin" / "python").write_text(working)
    assert machine.call("python", "second").returncode == 0
    assert machine.installations() == 1
