"""The suggestions in error messages for unknown names."""

from sorrel_recurrent_ppo.errors import did_you_mean


def test_did_you_mean_suggests_only_a_close_name():
    assert did_you_mean("gru_pp", ["gru_ppo", "lstm_ppo"]) == " Did you mean 'gru_ppo'?"
    assert did_you_mean("treasure", ["a", "b"]) == ""
