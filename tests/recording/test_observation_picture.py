"""Observations as colour images."""

import numpy as np

from sorrel_recurrent_ppo.recording.observation_picture import (
    BACKGROUND,
    WALL,
    channel_legend,
    observation_pictures,
)
from support.small_states import small_states


def test_observation_pictures_draw_the_rarest_channel_of_a_cell():
    names = ("", "Sand", "Wall", "Gem")
    picture = np.zeros((4, 1, 4))
    picture[1, 0, :3] = 1  # sand under everything but the last cell
    picture[2, 0, 1] = 1
    picture[3, 0, 2] = 1
    states = small_states([[*picture.ravel().tolist(), 7.0]], (4, 1, 4), names)
    sand, gem = (entry.color for entry in channel_legend(states) if entry.name in ("Sand", "Gem"))
    np.testing.assert_allclose(
        observation_pictures(states)[0, 0], [sand, WALL, gem, BACKGROUND], atol=1e-6
    )


def test_legend_has_the_kind_of_empty_cells_where_there_are_any():
    picture = np.zeros((2, 1, 2))
    picture[1, 0, 0] = 1
    states = small_states([picture.ravel()], (2, 1, 2), ("", "Wall"), background="EmptyEntity")
    assert [entry.name for entry in channel_legend(states)] == ["EmptyEntity", "Wall"]
    picture[1] = 1
    full = small_states([picture.ravel()], (2, 1, 2), ("", "Wall"), background="EmptyEntity")
    assert [entry.name for entry in channel_legend(full)] == ["Wall"]


def test_observation_pictures_take_three_channels_without_names_as_rgb():
    states = small_states([[1, 0, 0, 0.5, 0, 1]], (3, 1, 2))
    np.testing.assert_allclose(observation_pictures(states)[0, 0], [[1, 0, 0], [0, 0.5, 1]])
    assert channel_legend(states) == []


def test_observation_pictures_draw_values_without_a_picture_as_a_square():
    states = small_states([[-1.0, 0.0, 1.0]], ())
    np.testing.assert_allclose(observation_pictures(states)[0, ..., 0], [[0, 0.5], [1, 0]])
