"""Comparing runs: what belongs together, what is refused, and the figures, worked by hand."""

import csv

import numpy as np
import pytest
from PIL import Image

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports import compare
from sorrel_recurrent_ppo.reports.compare import CompareSettings, compare_runs
from sorrel_recurrent_ppo.reports.saved_runs import find_runs
from sorrel_recurrent_ppo.support.statistics import interquartile_mean
from support.saved_run_files import write_run


def compared(path, **settings):
    return compare_runs(find_runs([path]), CompareSettings(**settings))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- statistics ---


def test_the_interquartile_mean_leaves_a_quarter_off_each_end():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -900])).value == 3.5  # 2 to 5
    assert interquartile_mean(np.array([9.0, 1, 2])).value == 4.0


def test_the_interval_holds_the_mean_and_says_nothing_of_one_seed():
    several = interquartile_mean(np.array([1.0, 2, 3, 4, 100]))
    assert 1 <= several.low < several.value < several.high <= 100
    one = interquartile_mean(np.array([[7.0, 8.0]]))
    np.testing.assert_array_equal(one.value, [7, 8])
    assert np.isnan(one.low).all()
    assert np.isnan(one.high).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    # Columns are resampled together, rows are seeds: 200 experiments of 20 seeds each.
    found = interquartile_mean(rng.normal(size=(20, 200)))
    covered = ((found.low < 0) & (found.high > 0)).mean()
    assert 0.86 < covered < 0.99


# --- figures of a run ---


def test_final_area_threshold_and_speed_are_those_worked_by_hand(tmp_path):
    # 40 epochs: the last tenth are 4, curves are smoothed over 2.
    rewards = [0.0] * 10 + [10.0] * 26 + [20.0] * 4
    write_run(tmp_path / "a", rewards, seed=0, steps=100, seconds=0.5)
    scores = compared(tmp_path, threshold=10).scores[0][0]
    assert scores.final == 20
    assert scores.area == (26 * 10 + 4 * 20) / 40
    assert scores.epochs_to_threshold == 12  # after epoch 11 the mean of the last two is 10
    assert scores.reached
    assert scores.steps_per_second == 200


def test_a_level_that_is_never_reached_counts_as_the_whole_run_and_is_shown(tmp_path, capsys):
    for seed, reward in enumerate([1.0, 5.0, 5.0]):
        write_run(tmp_path / str(seed), [0.0] + [reward] * 9, seed=seed)
    found = compared(tmp_path, threshold=5)
    assert [score.reached for score in found.scores[0]] == [False, True, True]
    assert [score.epochs_to_threshold for score in found.scores[0]] == [10, 2, 2]
    compare.main([str(tmp_path), "threshold=5"])
    assert "by 2 of 3" in capsys.readouterr().out


def test_one_lucky_epoch_at_the_start_is_not_the_level_reached(tmp_path):
    write_run(tmp_path / "a", [50.0] + [0.0] * 99)  # smoothed over 5
    assert not compared(tmp_path, threshold=20).scores[0][0].reached


# --- what belongs together ---


def two_models(folder, n_seeds=3):
    for seed in range(n_seeds):
        write_run(folder / f"gru {seed}", [seed, seed + 1.0], model="gru_ppo", seed=seed)
        write_run(folder / f"iqn {seed}", [seed, seed + 9.0], model="iqn", seed=seed)


def test_runs_are_grouped_by_model_and_each_file_tells_its_part(tmp_path, capsys):
    two_models(tmp_path / "sweep")
    compare.main([str(tmp_path / "sweep")])
    shown = capsys.readouterr().out
    assert "gru_ppo" in shown
    assert "iqn" in shown
    folder = tmp_path / "sweep" / "comparison"
    groups = {row["group"]: row for row in rows_of(folder / "comparison.csv")}
    assert groups.keys() == {"gru_ppo", "iqn"}
    assert groups["gru_ppo"]["n_seeds"] == "3"
    assert float(groups["gru_ppo"]["final"]) == 2  # the mean of 1, 2, 3: too few to cut
    assert float(groups["iqn"]["final"]) == 10
    assert float(groups["iqn"]["final_low"]) >= 9
    runs = rows_of(folder / "runs.csv")
    assert sorted(float(run["final"]) for run in runs) == [1, 2, 3, 9, 10, 11]
    with Image.open(folder / "comparison.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    compare.main([str(tmp_path / "sweep")])  # its own files are no runs
    assert len(rows_of(folder / "runs.csv")) == 6


def test_any_config_key_groups_numbers_by_their_size(tmp_path):
    for height in (9, 11, 100):
        for seed in range(2):
            write_run(
                tmp_path / f"{height} {seed}",
                [1.0, 2.0],
                seed=seed,
                config={"world.height": height},
            )
    found = compared(tmp_path, by="world.height")
    assert [group.label for group in found.groups] == ["9", "11", "100"]
    with pytest.raises(ConfigError, match=r"'wrold.height'\. Did you mean 'world.height'"):
        compared(tmp_path, by="wrold.height")


def test_several_keys_group_by_their_combinations(tmp_path):
    for model in ("gru_ppo", "lstm_ppo"):
        for size in (16, 32):
            config = {f"model.{model}.hidden_size": size}
            write_run(tmp_path / f"{model} {size}", [1.0], model=model, config=config)
    keys = "model,model.gru_ppo.hidden_size,model.lstm_ppo.hidden_size"
    assert [group.label for group in compared(tmp_path, by=keys).groups] == [
        "gru_ppo, 16, (not set)",
        "gru_ppo, 32, (not set)",
        "lstm_ppo, (not set), 16",
        "lstm_ppo, (not set), 32",
    ]


# --- what is refused ---


def test_differing_environments_are_refused_with_the_key_both_values_and_both_runs(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"world.height": 11})
    with pytest.raises(ConfigError) as refused:
        compared(tmp_path)
    told = str(refused.value)
    assert f"world.height is 9 in {tmp_path / 'a'} and 11 in {tmp_path / 'b'}" in told
    assert "force=true" in told
    notes = compared(tmp_path, force=True).notes
    assert "world.height" in notes[0]


def test_a_key_under_model_that_belongs_to_the_environment_is_compared(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"model.vision": 3})
    with pytest.raises(ConfigError, match=r"model\.vision is 2 in .* and 3 in"):
        compared(tmp_path)


def test_runs_of_one_model_that_differ_in_its_settings_are_not_taken_for_seeds(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=0, config={"model.lstm_ppo": {"hidden_size": 16}})
    write_run(tmp_path / "b", [1.0], seed=1, config={"model.lstm_ppo": {"hidden_size": 32}})
    with pytest.raises(ConfigError, match=r"model\.lstm_ppo\.hidden_size is 16"):
        compared(tmp_path)
    assert len(compared(tmp_path, by="model,model.lstm_ppo.hidden_size").groups) == 2


def test_grouping_by_something_else_needs_one_model(tmp_path):
    write_run(tmp_path / "a", [1.0], model="gru_ppo")
    write_run(tmp_path / "b", [1.0], model="iqn", config={"world.height": 11})
    with pytest.raises(ConfigError, match=r"model\.type is gru_ppo in .* and iqn in"):
        compared(tmp_path, by="world.height")


def test_a_seed_that_is_there_twice_is_refused(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=4)
    write_run(tmp_path / "b", [1.0], seed=4)
    with pytest.raises(ConfigError, match=r"seed 4 of lstm_ppo is in .*a and in .*b"):
        compared(tmp_path)


def test_what_is_no_part_of_the_environment_may_differ(tmp_path):
    write_run(tmp_path / "a", [1.0], seed=0, config={"experiment.record_period": 50})
    files = write_run(tmp_path / "b", [1.0], seed=1, config={"experiment.epochs": 7})
    files.config.write_text("threads: 2\nlog_turns: true\n" + files.config.read_text())
    assert len(compared(tmp_path).groups[0].runs) == 2


def test_a_run_named_twice_counts_once(tmp_path):
    write_run(tmp_path / "a", [1.0])
    assert len(find_runs([tmp_path, tmp_path / "a", tmp_path / "a" / ".." / "a"])) == 1


# --- runs that are short, old or broken ---


def test_runs_of_unequal_length_are_compared_up_to_the_shortest_and_it_is_named(tmp_path):
    write_run(tmp_path / "long", [1.0] * 30 + [99.0], seed=0)
    write_run(tmp_path / "short", [1.0] * 20, seed=1)
    found = compared(tmp_path)
    assert found.n_epochs == 20
    assert "first 20 epochs" in found.notes[0]
    assert f"{tmp_path / 'short'}; the longest has 31" in found.notes[0]
    assert [score.final for score in found.scores[0]] == [1, 1]


BROKEN = {
    "": "is empty or broken",
    "epoch,reward\n": "has no epochs",
    "epoch,reward\n0,1.0\n1,ma": "is broken: could not convert string to float",
    "epoch,reward\n0,1.0\n1,": "no finite 'reward' in epoch 1",
    "epoch,reward\n0,1.0\n1": "is broken",
    "epoch,reward\n0,1.0\n2,1.0\n": "its epochs are not 0, 1, 2",
}


@pytest.mark.parametrize(("content", "told"), BROKEN.items())
def test_a_run_with_a_broken_table_is_named_and_the_others_are_compared(content, told, tmp_path):
    write_run(tmp_path / "good", [1.0, 2.0])
    bad = write_run(tmp_path / "bad", [1.0])
    bad.metrics.write_text(content)
    found = compared(tmp_path)
    assert [run.directory for run in found.groups[0].runs] == [tmp_path / "good"]
    assert f"Left out: {bad.metrics}" in found.notes[0]
    assert told in found.notes[0]
    with pytest.raises(ConfigError, match=r"no run can be compared: .*metrics\.csv"):
        compared(tmp_path / "bad")


def test_a_job_that_failed_before_its_first_file_is_named(tmp_path):
    write_run(tmp_path / "good", [1.0])
    (tmp_path / "failed" / ".hydra").mkdir(parents=True)
    assert f"Left out: {tmp_path / 'failed'} has no config.yaml." in compared(tmp_path).notes


def test_a_run_without_times_has_no_speed_and_all_else(tmp_path, capsys):
    files = write_run(tmp_path / "old", [1.0, 3.0])
    files.metrics.write_text("epoch,reward\n0,1.0\n1,3.0\n")
    compare.main([str(tmp_path)])
    assert " - " in capsys.readouterr().out
    (row,) = rows_of(tmp_path / "comparison" / "comparison.csv")
    assert (row["area"], row["steps_per_second"]) == ("2.0", "")


def test_another_metric_can_be_compared(tmp_path):
    files = write_run(tmp_path / "a", [1.0])
    files.metrics.write_text("epoch,reward,success_rate\n0,1.0,0.5\n")
    assert compared(tmp_path, metric="success_rate").scores[0][0].final == 0.5
    with pytest.raises(ConfigError, match=r"no column 'sucess'\. Did you mean 'success_rate'"):
        compared(tmp_path, metric="sucess")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name the directories of runs"),
        (["nothere"], "nothere is not a directory"),
        (["."], "there is no run in ."),
        ([".", "bye=model"], "there is no setting 'bye'. Did you mean 'by'?"),
        ([".", "threshold=much"], "threshold=much"),
        ([".", "--threshold"], "--threshold needs a value"),
    ],
)
def test_a_mistake_is_told(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        compare.main(arguments)
    assert told in str(error.value)


def test_settings_may_be_written_as_options_too(tmp_path):
    write_run(tmp_path / "a", [1.0])
    compare.main([str(tmp_path), "--output", str(tmp_path / "one"), "--threshold=3"])
    compare.main([str(tmp_path), f"output={tmp_path / 'two'}", "threshold=3"])
    one, two = (tmp_path / name / "comparison.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
