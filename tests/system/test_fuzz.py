"""Fuzzing checkpoints and configs, a short run; ``tests/support/fuzzing.py`` does long ones."""

from sorrel_recurrent_ppo.integration.install import install
from support import fuzzing


def test_damaged_checkpoints_are_refused_and_leave_no_half_loaded_model(tmp_path):
    counts = fuzzing.fuzz_checkpoints(100, seed=1, folder=tmp_path)
    assert counts.total() == 100
    assert counts["checkpoint refused"] > 50  # else nothing was damaged


def test_damaged_configs_are_refused_or_harmless():
    install()
    counts = fuzzing.fuzz_configs(100, seed=1)
    assert counts.total() == 100
    assert counts["config refused"] > 5
    assert counts["config harmless"] > 5
