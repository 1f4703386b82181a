"""The interquartile mean and its bootstrap interval."""

import numpy as np

from sorrel_recurrent_ppo.support.statistics import interquartile_mean


def test_interquartile_mean_trims_a_quarter_at_each_end():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -900])).value == 3.5  # 2 to 5
    assert interquartile_mean(np.array([9.0, 1, 2])).value == 4.0


def test_interquartile_mean_has_an_interval_from_two_seeds_on():
    several = interquartile_mean(np.array([1.0, 2, 3, 4, 100]))
    assert 1 <= several.low < several.value < several.high <= 100
    one = interquartile_mean(np.array([[7.0, 8.0]]))
    np.testing.assert_array_equal(one.value, [7, 8])
    assert np.isnan(one.low).all()
    assert np.isnan(one.high).all()


def test_interval_covers_the_true_mean_at_about_its_confidence():
    rng = np.random.default_rng(3)
    # Columns are resampled together, rows are seeds: 200 experiments of 20 seeds each.
    found = interquartile_mean(rng.normal(size=(20, 200)))
    covered = ((found.low < 0) & (found.high > 0)).mean()
    assert 0.86 < covered < 0.99
