"""The expected size of a run's files."""

import pytest

from sorrel_recurrent_ppo.experiments.expected_size import format_size
from support.small_runs import run

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.mark.parametrize(
    "settings",
    [
        ("tag", "lstm_ppo"),
        ("treasurehunt", "gru_ppo", "model.num_agents=3", "log_turns=true"),
        ("tag", "gru_ppo", "log_period=10"),
    ],
)
def test_expected_size_is_logged_and_about_right(settings, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", logger="sorrel_recurrent_ppo")
    monkeypatch.setattr(
        "sorrel_recurrent_ppo.experiments.run_summary.format_size", lambda size: f"{size} bytes"
    )
    files, _ = run(tmp_path / "run", *settings, "experiment.epochs=60")
    expected = int(caplog.text.partition("Expected size of the files: ")[2].split()[0])
    found = sum(
        path.stat().st_size
        for path in files.directory.rglob("*")
        if path.is_file() and path.suffix not in (".png", ".yaml")
    )
    assert 0.6 < expected / found < 1.4
    period = "the mean of 10 epochs" if "log_period=10" in settings else "an epoch"
    assert f"A row of metrics.csv and agents.csv is {period}" in caplog.text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(10, "1 MB"), (262_400_000, "262 MB"), (9_400_000_000, "9400 MB"), (15e9, "15 GB")],
)
def test_sizes_are_rounded(n_bytes, text):
    assert format_size(n_bytes) == text
