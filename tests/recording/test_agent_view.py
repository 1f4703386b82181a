"""The GIF of an agent's view."""

import numpy as np
from PIL import Image

from sorrel_recurrent_ppo.recording.agent_view import animate_agent_view
from support.small_states import small_states


def frames_of(path):
    with Image.open(path) as gif:
        frames = []
        for k in range(getattr(gif, "n_frames", 1)):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("L")).astype(int))
    return frames


def view(tmp_path, **subject):
    picture = np.zeros((2, 3, 3))
    picture[1, 0] = 1
    states = small_states(
        [picture.ravel()] * 2,
        *((2, 3, 3), ("", "Wall")),
        hidden_states=np.array([[0.1, -0.5], [0.3, 0.2]]),
        actions=np.array([0, 1]),
        **subject,
    )
    animate_agent_view(states, tmp_path / "view.gif")
    return frames_of(tmp_path / "view.gif")


def test_the_agent_is_marked_in_the_middle_of_its_view(tmp_path):
    plain, marked = view(tmp_path), view(tmp_path, is_centred=True)
    assert len(marked) == 2
    for before, after in zip(plain, marked, strict=True):
        height, width = before.shape
        # The legend of the mark moves the view up a little: look for the ring's dark pixels.
        region = (slice(height // 3, 2 * height // 3), slice(width // 10, width // 3))
        assert (after[region] < 60).sum() > (before[region] < 60).sum() + 30
