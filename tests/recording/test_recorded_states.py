"""The file format of recorded states."""

import numpy as np
import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.recording.recorded_states import load_states, save_states
from support.small_states import small_states


@pytest.mark.parametrize("damage", ["truncated", "other format", "missing arrays"])
def test_load_states_names_a_damaged_file(damage, tmp_path):
    path = tmp_path / "agents" / "0.npz"
    save_states(small_states(np.zeros((3, 2))), path)
    assert len(load_states(path)) == 3
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "other format":
        path.write_text("not an archive")
    else:
        np.savez(path, agent="0")
    with pytest.raises(ConfigError, match=r"0\.npz is damaged"):
        load_states(path)
