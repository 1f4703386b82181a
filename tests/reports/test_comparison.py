"""Comparison of runs that are short, old or damaged, and of other metrics."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from support.saved_run_files import compare_below, write_run


def test_compare_runs_of_unequal_length_uses_the_shortest_and_names_it(tmp_path):
    write_run(tmp_path / "long", [1.0] * 30 + [99.0], seed=0)
    write_run(tmp_path / "short", [1.0] * 20, seed=1)
    found = compare_below(tmp_path)
    assert found.n_epochs == 20
    assert "first 20 epochs" in found.notes[0]
    assert f"{tmp_path / 'short'}; the longest has 31" in found.notes[0]
    assert [score.final for score in found.groups[0].scores] == [1, 1]


DAMAGED = {
    "": "is empty or damaged",
    "epoch,reward\n": "has no epochs",
    "epoch,reward\n0,1.0\n1,ma": "is damaged: could not convert string to float",
    "epoch,reward\n0,1.0\n1,": "no finite 'reward' in epoch 1",
    "epoch,reward\n0,1.0\n1": "is damaged",
    "epoch,reward\n0,1.0\n2,1.0\n": "its epochs are not 0, 1, 2",
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.items())
def test_compare_runs_leaves_out_damaged_runs_with_a_note(content, message, tmp_path):
    write_run(tmp_path / "good", [1.0, 2.0])
    bad = write_run(tmp_path / "bad", [1.0])
    bad.metrics.write_text(content)
    found = compare_below(tmp_path)
    assert [curve.run.directory for curve in found.groups[0].curves] == [tmp_path / "good"]
    assert f"Left out: {bad.metrics}" in found.notes[0]
    assert message in found.notes[0]
    with pytest.raises(ConfigError, match=r"no run can be compared: .*metrics\.csv"):
        compare_below(tmp_path / "bad")


def test_compare_runs_leaves_out_jobs_that_failed_before_their_first_file(tmp_path):
    write_run(tmp_path / "good", [1.0])
    (tmp_path / "failed" / ".hydra").mkdir(parents=True)
    assert f"Left out: {tmp_path / 'failed'} has no config.yaml." in compare_below(tmp_path).notes


def test_compare_runs_accepts_other_metrics(tmp_path):
    files = write_run(tmp_path / "a", [1.0])
    files.metrics.write_text("epoch,reward,success_rate\n0,1.0,0.5\n")
    assert compare_below(tmp_path, metric="success_rate").groups[0].scores[0].final == 0.5
    with pytest.raises(ConfigError, match=r"no column 'sucess'\. Did you mean 'success_rate'"):
        compare_below(tmp_path, metric="sucess")


def test_compare_runs_of_different_log_periods(tmp_path):
    rewards = np.random.default_rng(2).normal(size=60).cumsum()
    write_run(tmp_path / "single", rewards, seed=0)
    means = rewards.reshape(-1, 4).mean(axis=1)
    files = write_run(tmp_path / "averaged", [0.0], seed=1)
    rows = [f"{4 * i + 3},4,{mean},{400 * (i + 1)},2.0" for i, mean in enumerate(means)]
    files.metrics.write_text("\n".join(["epoch,epochs,reward,steps,seconds", *rows]) + "\n")
    write_run(tmp_path / "short", rewards[:39], seed=2)
    found = compare_below(tmp_path)
    assert found.n_epochs == 39
    averaged, *singles = found.groups[0].scores
    repeated = np.repeat(means, 4)
    assert averaged.final == pytest.approx(repeated[36:39].mean())
    assert averaged.area == pytest.approx(repeated[:39].mean())
    assert [score.final for score in singles] == pytest.approx([rewards[36:39].mean()] * 2)
    assert averaged.steps_per_second == 200
