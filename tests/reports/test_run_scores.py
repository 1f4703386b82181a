"""Scores of a run, compared with values computed by hand."""

from support.saved_run_files import compare_below, write_run


def test_scores_are_those_computed_by_hand(tmp_path):
    # 40 epochs: the last tenth is 4 epochs, curves are smoothed over 2.
    rewards = [0.0] * 10 + [10.0] * 26 + [20.0] * 4
    write_run(tmp_path / "a", rewards, seed=0, steps=100, seconds=0.5)
    scores = compare_below(tmp_path, threshold=10).groups[0].scores[0]
    assert scores.final == 20
    assert scores.area == (26 * 10 + 4 * 20) / 40
    assert scores.epochs_to_threshold == 12  # after epoch 11 the mean of the last two is 10
    assert scores.reached
    assert scores.steps_per_second == 200


def test_epochs_to_threshold_is_the_run_length_if_it_is_not_reached(tmp_path):
    for seed, reward in enumerate([1.0, 5.0, 5.0]):
        write_run(tmp_path / str(seed), [0.0] + [reward] * 9, seed=seed)
    scores = compare_below(tmp_path, threshold=5).groups[0].scores
    assert [score.reached for score in scores] == [False, True, True]
    assert [score.epochs_to_threshold for score in scores] == [10, 2, 2]


def test_epochs_to_threshold_ignores_one_lucky_epoch_at_the_start(tmp_path):
    write_run(tmp_path / "a", [50.0] + [0.0] * 99)  # smoothed over 5
    assert not compare_below(tmp_path, threshold=20).groups[0].scores[0].reached
