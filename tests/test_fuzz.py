"""A short run of fuzzing checkpoints and configs; ``benchmarks/fuzz.py`` does the long ones."""

import fuzz
from sorrel_recurrent_ppo import swap


def test_damaged_checkpoints_are_refused_and_leave_no_half_loaded_model(tmp_path):
    counts = fuzz.fuzz_checkpoints(100, seed=1, folder=tmp_path)
    assert counts.total() == 100
    assert counts["checkpoint refused"] > 50  # else nothing was damaged


def test_damaged_configs_are_refused_or_harmless():
    swap.install()
    counts = fuzz.fuzz_configs(100, seed=1)
    assert counts.total() == 100
    assert counts["config refused"] > 5
    assert counts["config harmless"] > 5
