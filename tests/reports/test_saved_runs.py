"""Finding runs on the disk."""

from sorrel_recurrent_ppo.reports.saved_runs import find_runs
from support.saved_run_files import write_run


def test_find_runs_returns_each_run_once(tmp_path):
    write_run(tmp_path / "a", [1.0])
    assert len(find_runs([tmp_path, tmp_path / "a", tmp_path / "a" / ".." / "a"])) == 1
