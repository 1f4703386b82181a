"""Finished runs for the tests of reports."""

import pytest

from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.randomness import untouched_random_state
from support.small_runs import run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """Return a function that trains a small run, once per configuration and session."""
    runs = {}

    def finished_run(environment="treasurehunt", model="lstm_ppo", *overrides):
        key = (environment, model, *overrides)
        if key not in runs:
            with untouched_random_state():
                files, _ = run(tmp_path_factory.mktemp("finished") / "run", *key)
            runs[key] = SavedRun(files.directory)
        return runs[key]

    return finished_run
