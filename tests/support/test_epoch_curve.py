"""Metrics over epochs, with a value per epoch or per period."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.support.curves import last_tenth_mean, smooth
from sorrel_recurrent_ppo.support.downsampling import Downsampling
from sorrel_recurrent_ppo.support.epoch_curve import EpochCurve

VALUES = np.random.default_rng(3).normal(size=97)


def single(values):
    return EpochCurve(np.arange(len(values)), np.ones(len(values)), np.asarray(values, float))


def averaged(values, period):
    """Return the curve of the means over periods, and each mean repeated for every epoch."""
    parts = [values[i : i + period] for i in range(0, len(values), period)]
    counts = np.array([len(part) for part in parts])
    means = np.array([part.mean() for part in parts])
    return EpochCurve(np.cumsum(counts) - 1, counts, means), np.repeat(means, counts)


def test_curve_of_every_epoch_has_the_values_of_the_plain_functions():
    curve = single(VALUES)
    assert curve.last_tenth_mean == last_tenth_mean(VALUES)
    assert curve.first(40).last_tenth_mean == last_tenth_mean(VALUES[:40])
    assert curve.mean(0, 97) == VALUES.mean()
    np.testing.assert_array_equal(curve.smoothed(7), smooth(VALUES, 7))
    np.testing.assert_array_equal(curve.smoothed(7, np.array([3, 50])), smooth(VALUES, 7)[[3, 50]])


@pytest.mark.parametrize("period", [2, 10, 50, 200])
@pytest.mark.parametrize("n_epochs", [97, 40, 41, 1])
def test_curve_of_periods_has_the_values_of_its_epochs(period, n_epochs):
    curve, repeated = averaged(VALUES, period)
    assert curve.n_epochs == 97
    first, expected = curve.first(n_epochs), repeated[:n_epochs]
    assert (first.n_epochs, first.epochs[-1]) == (n_epochs, n_epochs - 1)
    assert first.last_tenth_mean == pytest.approx(last_tenth_mean(expected))
    assert first.first_tenth_mean == pytest.approx(last_tenth_mean(expected[::-1]))
    assert first.mean(0, n_epochs) == pytest.approx(expected.mean())
    at = np.arange(n_epochs)
    np.testing.assert_allclose(curve.smoothed(13, at), smooth(repeated, 13)[at])
    np.testing.assert_allclose(first.smoothed(13), smooth(expected, 13)[first.epochs])


def test_threshold_is_reached_at_the_end_of_a_period_with_a_full_window():
    curve = EpochCurve(np.array([9, 19, 24]), np.array([10, 10, 5]), np.array([9.0, 0.0, 8.0]))
    assert curve.first_epoch_at_least(9.0, window=10) == 10
    assert curve.first_epoch_at_least(8.0, window=11) is None
    assert curve.first_epoch_at_least(8.0, window=5) == 10
    assert curve.first_epoch_at_least(4.0, window=10) == 10
    assert curve.first_epoch_at_least(4.0, window=15) is None


@pytest.mark.parametrize("blocks", [[97], [1, 40, 56], [48, 0, 49]])
def test_downsampling_has_means_and_extremes_of_intervals(blocks):
    sampling = Downsampling(97, max_points=10)
    assert sampling.width == 10
    for part in np.split(np.arange(97), np.cumsum(blocks)[:-1]):
        sampling.add(part, np.ones(len(part)), VALUES[part])
    band = sampling.band()
    parts = [VALUES[i : i + 10] for i in range(0, 97, 10)]
    np.testing.assert_allclose(band.mean.values, [part.mean() for part in parts])
    assert band.low.tolist() == [part.min() for part in parts]
    assert band.high.tolist() == [part.max() for part in parts]
    assert band.mean.epochs.tolist() == [*range(9, 97, 10), 96]
    assert band.mean.counts.tolist() == [10] * 9 + [7]


def test_downsampling_keeps_a_short_curve():
    sampling = Downsampling(97)
    sampling.add(np.arange(97), np.ones(97), VALUES)
    np.testing.assert_array_equal(sampling.band().mean.values, VALUES)


def test_downsampling_of_nothing_has_no_points():
    assert len(Downsampling(5).band().mean.values) == 0
