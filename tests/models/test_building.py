"""Errors while building a model that are not configuration errors."""

import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from support.small_models import small_model


@pytest.mark.parametrize("error", [RuntimeError, ValueError, TypeError])
def test_explain_allocation_failure_passes_other_errors_through(error, monkeypatch):
    def fail(*args, **kwargs):
        raise error("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("sorrel_recurrent_ppo.models.base.RecurrentPolicy", fail)
    with pytest.raises(error, match="mat1 and mat2") as caught:
        small_model("lstm_ppo")
    assert not isinstance(caught.value, ConfigError)
