"""A short fuzzing run over checkpoints and configs; for longer runs see ``support/fuzzing.py``."""

from sorrel_recurrent_ppo.integration.install import install
from support import fuzzing


def test_load_rejects_corrupted_checkpoints_and_leaves_the_model_unchanged(tmp_path):
    counts = fuzzing.fuzz_checkpoints(100, seed=1, folder=tmp_path)
    assert counts.total() == 100
    assert counts["checkpoint refused"] > 50  # otherwise nothing was corrupted


def test_corrupted_configs_are_rejected_or_harmless():
    install()
    counts = fuzzing.fuzz_configs(100, seed=1)
    assert counts.total() == 100
    assert counts["config refused"] > 5
    assert counts["config harmless"] > 5
