"""Every command follows the rules of Windows and macOS for files; see ``support/file_rules.py``."""

import json
import mmap
import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("fcntl", reason="the rules are checked by functions of Unix")
if not os.path.isdir("/proc/self/fd"):
    pytest.skip("open files are listed by Linux", allow_module_level=True)

from support.file_rules import FileRules, breach_of_name

SMALL = [
    *("world.height=7", "world.width=7", "experiment.max_turns=8", "seed=1"),
    *("model.lstm_ppo.hidden_size=8", "model.lstm_ppo.rollout_length=10"),
    *("model.lstm_ppo.batch_size=10", "model.lstm_ppo.sequence_length=4"),
]
RUN = [
    *("run", "environment=treasurehunt", "model=lstm_ppo", *SMALL, "hydra.run.dir=runs/a"),
    *("experiment.record_period=1", "experiment.animate=true", "record_states=true"),
    *("checkpoint_keep.every=1", "checkpoint_keep.max_gb=0.0005", "log_turns=true"),
    *("replacement=turnover", "replacement.minimum_tenure=1"),
    *("replacement.start_epoch=1", "replacement.every=1"),
]
COMMANDS = {
    "run": [*RUN, "experiment.epochs=4"],
    "averaged run": [*RUN, "experiment.epochs=5", "log_period=2", "hydra.run.dir=runs/b", "seed=2"],
    "resume": ["run", "resume=runs/a", "experiment.epochs=6"],
    "resume of an averaged run": ["run", "resume=runs/b", "experiment.epochs=9"],
    "resume after rows were added": ["run", "resume=runs/a", "experiment.epochs=8"],
    "sweep": [
        *("run", "-m", "environment=treasurehunt", "model=lstm_ppo", *SMALL),
        *("seed=1,2", "experiment.epochs=1", "hydra.sweep.dir=runs/sweep"),
    ],
    "evaluate": ["evaluate", "runs/a", "epochs=1"],
    "compare": ["compare", "runs/a", "runs/b"],
    "inspect": ["inspect", "runs/a"],
}
# All in one process, which imports the libraries once.
DRIVER = """
import json, sys
from support.file_rules import FileRules
from sorrel_recurrent_ppo.cli import main

found = {}
for name, arguments in json.loads(sys.argv[1]).items():
    if name == "resume after rows were added":
        with open("runs/a/metrics.csv", "a", encoding="utf-8") as file:
            file.write("5\\n")
    with FileRules(".") as rules:
        sys.argv = ["sorrel-recurrent-ppo", *arguments]
        main()
    found[name] = [rules.breaches, sorted(rules.checked)]
with open("found.json", "w", encoding="utf-8") as file:
    json.dump(found, file)
"""


def test_every_command_follows_the_rules(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(COMMANDS)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert {name: breaches for name, (breaches, _) in found.items() if breaches} == {}
    for name in ("run", "averaged run", "resume"):
        assert {"fsync", "open", "replace", "unlink"} <= set(found[name][1]), name
    for name in ("evaluate", "compare", "inspect"):
        assert {"fsync", "replace"} <= set(found[name][1]), name


# --- the rules themselves ---


def breaches_of(code, directory):
    names = {"directory": directory, "a": directory / "a", "b": directory / "b"}
    names |= {"os": os, "mmap": mmap}
    with FileRules(directory) as rules:
        exec(textwrap.dedent(code), names)
    return rules.breaches


@pytest.mark.parametrize(
    ("code", "breach"),
    [
        ("with open(a, 'rb') as file: os.fsync(file.fileno())", "only reads"),
        ("n = os.open(directory, os.O_RDONLY); os.fsync(n); os.close(n)", "the directory"),
        ("with open(a, 'rb'): os.replace(b, a)", "open"),
        ("with open(b, 'rb'): os.rename(b, a)", "open"),
        ("with a.open('rb'): a.unlink()", "open"),
        ("with open(a, 'r+b') as file: m = mmap.mmap(file.fileno(), 1)\nos.remove(a)", "open"),
        ("(directory / 'c').write_text('text')", "without an encoding"),
        ("(directory / 'a:b').mkdir()", "contains [':']"),
        ("(directory / 'A').mkdir()", "case only"),
    ],
)
def test_breach_of_a_rule_is_found(code, breach, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    (found,) = breaches_of(code, tmp_path)
    assert breach in found


def test_files_that_follow_the_rules_are_no_breaches(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    code = """
        with open(directory / "b", "w", encoding="utf-8") as file:
            file.write("text")
            os.fsync(file.fileno())
        os.replace(directory / "b", directory / "a")
        (directory / "a").unlink()
    """
    assert breaches_of(code, tmp_path) == []


@pytest.mark.parametrize("name", ["a?", "nul", "COM1.txt", "end.", "end "])
def test_invalid_names_are_found(name):
    assert breach_of_name(name) is not None


@pytest.mark.parametrize("name", ["0@10000.pt", ".hydra", "console.txt", "2026-01-31_12-00-00"])
def test_valid_names_are_no_breaches(name):
    assert breach_of_name(name) is None
