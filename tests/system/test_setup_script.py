"""scripts/with-venv: finding an interpreter, reusing and mending the environment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "with-venv"
TOOLS = ["sh", "cat", "cksum", "cut", "dirname", "rm", "tr"]

FAKE_PYTHON = """#!/bin/sh
# Stands for an interpreter: answers the script's questions, and makes an environment of itself.
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
    """A checkout, and a machine that has the usual tools but no interpreter."""
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
    reason="this machine has interpreters at places outside PATH that cannot be hidden",
)


@needs_bare_machine
def test_without_any_interpreter_there_is_one_clear_line(machine):
    done = machine.call("true")
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "no Python 3.12 or newer found" in line


def test_a_good_interpreter_behind_a_refusing_one_is_found(machine, tmp_path):
    for folder, too_old in [("shims", True), ("good", False)]:
        machine.add_python(tmp_path / folder / "python3.12", too_old=too_old)
        machine.path.append(tmp_path / folder)
    done = machine.call("python", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran hello\n"
    assert str(tmp_path / "good" / "python3.12") in done.stderr


def test_pyenvs_versions_are_found_although_path_has_none(machine):
    good = machine.add_python(machine.home / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3")
    done = machine.call("python", "hello")
    assert done.returncode == 0, done.stderr
    assert str(good) in done.stderr


@needs_bare_machine
def test_an_interpreter_without_venv_is_named_with_the_remedy(machine, tmp_path):
    lame = machine.add_python(tmp_path / "lame" / "python3.12", no_venv=True)
    machine.path.append(lame.parent)
    done = machine.call("true")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert str(lame) in line
    assert "python3-venv" in line


def test_the_named_interpreter_is_used_and_an_unfit_one_refused(machine, tmp_path):
    machine.add_python(tmp_path / "path" / "python3.12")
    machine.path.append(tmp_path / "path")
    old = machine.add_python(tmp_path / "old" / "python", too_old=True)
    refused = machine.call("true", PYTHON=str(old))
    assert refused.returncode != 0
    assert f"PYTHON={old} is not a Python 3.12" in refused.stderr
    mine = machine.add_python(tmp_path / "mine" / "python")
    done = machine.call("python", "hello", PYTHON=str(mine))
    assert done.returncode == 0, done.stderr
    assert str(mine) in done.stderr


def test_it_installs_once_and_again_only_when_the_package_description_changes(machine, tmp_path):
    machine.add_python(tmp_path / "good" / "python3.12")
    machine.path.append(tmp_path / "good")
    assert machine.call("python", "first").returncode == 0
    assert machine.installations() == 1
    again = machine.call("python", "second")
    assert (again.stdout, again.stderr) == ("ran second\n", "")
    assert machine.installations() == 1
    (machine.checkout / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert machine.call("python", "third").returncode == 0
    assert machine.installations() == 2


@pytest.mark.parametrize("harm", ["interpreter gone", "too old", "moved"])
def test_an_unsound_environment_is_made_anew(machine, tmp_path, harm):
    machine.add_python(tmp_path / "good" / "python3.12")
    machine.path.append(tmp_path / "good")
    assert machine.call("python", "first").returncode == 0
    inside = machine.checkout / ".venv" / "bin" / "python"
    (machine.checkout / ".venv" / "left over").touch()
    if harm == "interpreter gone":
        inside.unlink()
    elif harm == "too old":
        machine.add_python(inside, too_old=True)
    else:
        machine.checkout = machine.checkout.rename(tmp_path / "moved")
    done = machine.call("python", "again")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran again\n"
    assert not (machine.checkout / ".venv" / "left over").exists()
    assert machine.installations() == 2


def test_a_failed_installation_is_shown_and_tried_again(machine, tmp_path):
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
