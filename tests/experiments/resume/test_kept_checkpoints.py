"""Copies of checkpoints by epoch: ``checkpoint_keep``."""

import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.saved_agents import choose_agents
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.run_files import RunFiles
from support.crashes import Crash
from support.evaluations import evaluate_briefly, rewards_of
from support.run_comparison import assert_same_runs
from support.small_runs import TURNOVER, resume, run

pytestmark = pytest.mark.usefixtures("own_process")

SETTINGS = ("treasurehunt", "lstm_ppo", "experiment.epochs=6", "checkpoint_period=4")
EVERY_2 = (*SETTINGS, "checkpoint_keep.every=2")


def kept_names(files):
    return sorted(path.name for path in files.checkpoints.glob("*@*"))


def size_of(files, epoch):
    return sum(path.stat().st_size for path in files.kept_checkpoints()[epoch])


def test_kept_checkpoints_are_those_of_a_run_that_ends_at_their_epoch(tmp_path):
    files, _ = run(tmp_path / "run", *EVERY_2)
    assert kept_names(files) == [f"{name}@{epoch}.pt" for name in (0, 1) for epoch in (0, 2, 4, 6)]
    shorter, _ = run(tmp_path / "shorter", *SETTINGS, "experiment.epochs=2", "log_period=1")
    for name in ("0", "1"):
        copy = files.kept_checkpoint(name, 2).read_bytes()
        assert copy == shorter.checkpoint(name).read_bytes()
        assert copy != files.checkpoint(name).read_bytes()


def test_nothing_is_kept_by_default_and_keeping_changes_nothing_else(tmp_path):
    plain, _ = run(tmp_path / "plain", *SETTINGS)
    assert kept_names(plain) == []
    files, _ = run(tmp_path / "run", *EVERY_2)
    for path in files.checkpoints.glob("*@*"):
        path.unlink()
    assert_same_runs(files, plain)


def test_limit_removes_the_oldest_epochs_first_and_is_logged(tmp_path, caplog):
    caplog.set_level("INFO", logger="sorrel_recurrent_ppo")
    unlimited, _ = run(tmp_path / "unlimited", *EVERY_2)
    max_gb = 2.5 * size_of(unlimited, 6) / 1e9
    caplog.clear()
    files, _ = run(tmp_path / "run", *EVERY_2, f"checkpoint_keep.max_gb={max_gb}")
    assert list(files.kept_checkpoints()) == [4, 6]
    assert "The checkpoints of every 2 epochs are kept, in at most" in caplog.text
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    (warning,) = [text for text in warnings if "checkpoint_keep" in text]
    assert warning.startswith("The kept checkpoints of epoch 0 are removed")


def test_epoch_that_exceeds_the_limit_alone_is_not_kept(tmp_path, caplog):
    files, _ = run(tmp_path / "run", *EVERY_2, "checkpoint_keep.max_gb=1e-6")
    assert kept_names(files) == []
    assert caplog.text.count("The checkpoints of epoch 0 are not kept") == 1
    assert "are not kept: they have" in caplog.text


@pytest.mark.parametrize("n_epochs", [2.5, 10])
def test_resumed_run_keeps_the_checkpoints_of_an_uninterrupted_one(n_epochs, crash_at, tmp_path):
    unlimited, _ = run(tmp_path / "unlimited", *EVERY_2)
    limit = f"checkpoint_keep.max_gb={n_epochs * size_of(unlimited, 6) / 1e9}"
    uninterrupted, _ = run(tmp_path / "uninterrupted", *EVERY_2, limit)
    interrupted = RunFiles(tmp_path / "interrupted")
    crash_at(3 * 8 + 3)
    with pytest.raises(Crash):
        run(interrupted.directory, *EVERY_2, limit)
    interrupted.kept_checkpoint("0", 4).write_bytes(b"of a later epoch, which is repeated")
    resume(interrupted)
    assert_same_runs(interrupted, uninterrupted)


def test_resumed_run_may_start_to_keep(tmp_path):
    files, _ = run(tmp_path / "run", *SETTINGS)
    resume(files, "experiment.epochs=9", "checkpoint_keep.every=4")
    assert list(files.kept_checkpoints()) == [8]


def test_newcomers_are_kept_and_the_agents_of_an_epoch_are_evaluated(tmp_path):
    files, _ = run(tmp_path / "run", *EVERY_2, *TURNOVER)
    saved_run, epochs = SavedRun(files.directory), files.kept_checkpoints()
    assert kept_names(files)[:2] == ["0@0.pt", "1@0.pt"]
    at_0 = choose_agents(saved_run, {}, epoch=0)
    assert [str(saved) for saved in at_0] == [f"{files.directory}:{k}@0" for k in (0, 1)]
    assert [saved.n_epochs for saved in at_0] == [1, 1]
    names = {saved.checkpoint.name for saved in choose_agents(saved_run, {}, epoch=6)}
    assert names == {path.name for path in epochs[6]}
    assert names.isdisjoint(path.name.replace("@0", "@6") for path in epochs[0])


def test_evaluate_plays_kept_checkpoints(tmp_path):
    files, _ = run(tmp_path / "run", *EVERY_2)
    shorter, _ = run(tmp_path / "shorter", *SETTINGS, "experiment.epochs=2")
    saved_run, early = SavedRun(files.directory), SavedRun(shorter.directory)
    expected = evaluate_briefly(early, tmp_path)
    found = evaluate_briefly(saved_run, tmp_path, checkpoint=2)
    assert rewards_of(found) == rewards_of(expected)
    assert str(found.agents[1]) == f"{files.directory}:1@2"
    by_name = evaluate_briefly(saved_run, tmp_path, agents={"0": ":0@2", "1": ":1@2"})
    assert rewards_of(by_name) == rewards_of(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"checkpoint": 3}, "has kept no checkpoints of epoch '3'. Valid: 0, 2, 4, 6"),
        ({"agents": {"0": ":1@3"}}, "no checkpoint of agent 1 was kept for epoch '3'. Valid: 0, 2"),
        ({"agents": {"0": ":7@2"}}, "has no agent '7'. Valid: 0, 1"),
    ],
)
def test_evaluate_lists_the_epochs_that_were_kept(given, message, tmp_path):
    files, _ = run(tmp_path / "run", *EVERY_2)
    with pytest.raises(ConfigError) as refused:
        evaluate_briefly(SavedRun(files.directory), tmp_path, **given)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("checkpoint_keep.every=0", r"checkpoint_keep\.every must be an integer of at least 1"),
        ("checkpoint_keep.max_gb=0", r"checkpoint_keep\.max_gb must be a number above 0"),
        ("checkpoint_keep.max_gb=null", r"checkpoint_keep\.max_gb must be a number above 0"),
    ],
)
def test_invalid_settings_are_refused(override, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "run", *EVERY_2, override)


def test_expected_size_counts_the_copies(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", logger="sorrel_recurrent_ppo")
    monkeypatch.setattr(
        "sorrel_recurrent_ppo.experiments.run_summary.format_size", lambda size: f"{size} bytes"
    )
    sizes = []
    for name, extra in (("plain", []), ("kept", ["checkpoint_keep.every=3"])):
        caplog.clear()
        run(tmp_path / name, *SETTINGS, "experiment.epochs=6", *extra)
        sizes.append(int(caplog.text.partition("Expected size of the files: ")[2].split()[0]))
    files = RunFiles(tmp_path / "kept")
    found = sum(size_of(files, epoch) for epoch in (0, 3, 6))
    assert sizes[1] - sizes[0] == pytest.approx(found, rel=0.3)
