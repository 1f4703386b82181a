"""The command ``compare``: its table, its files and its error messages."""

import numpy as np
import pytest
from PIL import Image

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports import compare
from support.saved_run_files import read_rows, write_run


def two_models(folder, n_seeds=3):
    for seed in range(n_seeds):
        write_run(folder / f"gru {seed}", [seed, seed + 1.0], model="gru_ppo", seed=seed)
        write_run(folder / f"iqn {seed}", [seed, seed + 9.0], model="iqn", seed=seed)


def test_compare_prints_a_table_and_writes_csv_files_and_a_plot(tmp_path, capsys):
    two_models(tmp_path / "sweep")
    compare.main([str(tmp_path / "sweep")])
    shown = capsys.readouterr().out
    assert "gru_ppo" in shown
    assert "iqn" in shown
    folder = tmp_path / "sweep" / "comparison"
    groups = {row["group"]: row for row in read_rows(folder / "comparison.csv")}
    assert groups.keys() == {"gru_ppo", "iqn"}
    assert groups["gru_ppo"]["n_seeds"] == "3"
    assert float(groups["gru_ppo"]["final"]) == 2  # the mean of 1, 2, 3: too few to trim
    assert float(groups["iqn"]["final"]) == 10
    assert float(groups["iqn"]["final_low"]) >= 9
    runs = read_rows(folder / "runs.csv")
    assert sorted(float(run["final"]) for run in runs) == [1, 2, 3, 9, 10, 11]
    with Image.open(folder / "comparison.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    compare.main([str(tmp_path / "sweep")])  # its own files are not taken for runs
    assert len(read_rows(folder / "runs.csv")) == 6


def test_compare_shows_how_many_runs_reached_the_threshold(tmp_path, capsys):
    for seed, reward in enumerate([1.0, 5.0, 5.0]):
        write_run(tmp_path / str(seed), [0.0] + [reward] * 9, seed=seed)
    compare.main([str(tmp_path), "threshold=5"])
    assert "by 2 of 3" in capsys.readouterr().out


def test_compare_leaves_the_speed_of_old_runs_empty(tmp_path, capsys):
    files = write_run(tmp_path / "old", [1.0, 3.0])
    files.metrics.write_text("epoch,reward\n0,1.0\n1,3.0\n")
    compare.main([str(tmp_path)])
    assert " - " in capsys.readouterr().out
    (row,) = read_rows(tmp_path / "comparison" / "comparison.csv")
    assert (row["area"], row["steps_per_second"]) == ("2.0", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected the directory of at least one run"),
        (["nothere"], "nothere is not a directory"),
        (["."], "there is no run in ."),
        ([".", "bye=model"], "there is no setting 'bye'. Did you mean 'by'?"),
        ([".", "threshold=much"], "threshold=much"),
        ([".", "--threshold"], "--threshold needs a value"),
    ],
)
def test_compare_rejects_invalid_arguments(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        compare.main(arguments)
    assert message in str(error.value)


def test_compare_accepts_settings_as_options(tmp_path):
    write_run(tmp_path / "a", [1.0])
    compare.main([str(tmp_path), "--output", str(tmp_path / "one"), "--threshold=3"])
    compare.main([str(tmp_path), f"output={tmp_path / 'two'}", "threshold=3"])
    one, two = (tmp_path / name / "comparison.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
