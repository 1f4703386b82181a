"""A Sorrel that is too old is refused with a sentence."""

import os
import subprocess
import sys

import pytest
from sorrel.environment import Environment
from sorrel.utils.logging import Logger

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo.errors import ConfigError


@pytest.mark.parametrize(
    ("owner", "name"), [(Environment, "aggregate_epoch_stats"), (Logger, "record_epoch")]
)
def test_install_refuses_a_sorrel_without_what_version_1_6_has(owner, name, monkeypatch):
    monkeypatch.delattr(owner, name)
    with pytest.raises(ConfigError) as error:
        sorrel_recurrent_ppo.install()
    assert "needs Sorrel 1.6 or newer, below 2: the Sorrel in " in str(error.value)
    assert f"has no {owner.__name__}.{name}" in str(error.value)
    assert "(the installed package has version 1." in str(error.value)


def test_a_sorrel_without_a_module_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "sorrel").mkdir()
    (tmp_path / "sorrel" / "__init__.py").touch()
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sorrel_recurrent_ppo as s\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program + "s.install()"], capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: sorrel_recurrent_ppo needs Sorrel 1.6 or newer, below 2;")
    assert "No module named 'sorrel." in last


def test_the_command_refuses_such_a_sorrel_without_a_traceback(tmp_path):
    (tmp_path / "sorrel").mkdir()
    (tmp_path / "sorrel" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", "from sorrel_recurrent_ppo.cli import main; main()", "run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "needs Sorrel 1.6 or newer, below 2" in done.stderr
