"""Finding runs on the disk."""

import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun, find_runs
from support.saved_run_files import write_run


def test_find_runs_returns_each_run_once(tmp_path):
    write_run(tmp_path / "a", [1.0])
    assert len(find_runs([tmp_path, tmp_path / "a", tmp_path / "a" / ".." / "a"])) == 1


def test_the_directory_of_a_sweep_is_no_run_and_its_runs_are_named(tmp_path):
    for seed in range(8):
        write_run(tmp_path / "sweep" / str(seed), [1.0])
    with pytest.raises(ConfigError, match=r"has no config\.yaml; runs below it: .*0, .*5, \.\.\."):
        SavedRun(tmp_path / "sweep").config  # noqa: B018
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no config\.yaml$"):
        SavedRun(tmp_path / "empty").config  # noqa: B018
