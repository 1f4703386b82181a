"""Smoothing of values per epoch."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.support.curves import smooth, smoothing_window


def test_smooth_averages_up_to_the_window_of_preceding_values():
    values = np.array([4.0, 0.0, 2.0, 10.0])
    np.testing.assert_allclose(smooth(values, 3), [4, 2, 2, 4])
    np.testing.assert_allclose(smooth(values, 1), values)
    np.testing.assert_allclose(smooth(values, 99), [4, 2, 2, 4])


@pytest.mark.parametrize(("n_epochs", "window"), [(1, 1), (3, 1), (39, 1), (40, 2), (200, 10)])
def test_smoothing_window_is_a_twentieth_of_the_run(n_epochs, window):
    assert smoothing_window(n_epochs) == window
