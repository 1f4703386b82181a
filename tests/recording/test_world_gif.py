"""The size of GIFs of the world."""

import numpy as np
from PIL import Image, ImageSequence

from sorrel_recurrent_ppo.recording.world_gif import GifEnlarger, enlarge_gif


def write_gif(path, width, height, n_frames=3):
    frames = [
        Image.fromarray(np.full((height, width, 3), 60 * (k + 1), np.uint8))
        for k in range(n_frames)
    ]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0)


def frames_of(path):
    with Image.open(path) as gif:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]


def test_small_gifs_are_enlarged_by_a_whole_number(tmp_path):
    write_gif(tmp_path / "small.gif", 150, 30)
    before = frames_of(tmp_path / "small.gif")
    enlarge_gif(tmp_path / "small.gif")
    after = frames_of(tmp_path / "small.gif")
    assert [frame.shape for frame in after] == [(90, 450)] * 3
    for small, large in zip(before, after, strict=True):
        np.testing.assert_allclose(large, np.kron(small, np.ones((3, 3))), atol=2)
    with Image.open(tmp_path / "small.gif") as gif:
        assert gif.info["duration"] == 100


def test_wide_gifs_are_unchanged(tmp_path):
    write_gif(tmp_path / "wide.gif", 400, 10)
    before = (tmp_path / "wide.gif").read_bytes()
    enlarge_gif(tmp_path / "wide.gif")
    assert (tmp_path / "wide.gif").read_bytes() == before


def test_new_gifs_of_a_folder_are_enlarged(tmp_path):
    write_gif(tmp_path / "earlier.gif", 10, 10)
    enlarger = GifEnlarger(tmp_path)
    write_gif(tmp_path / "new.gif", 100, 10)
    enlarger(None, 0)
    assert frames_of(tmp_path / "earlier.gif")[0].shape == (10, 10)
    assert frames_of(tmp_path / "new.gif")[0].shape == (40, 400)
