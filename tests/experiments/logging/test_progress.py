"""Progress display: live view, plain lines and pace."""

import io

import pytest
from rich.console import Console

from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView
from sorrel_recurrent_ppo.experiments.logging.pace import Pace
from sorrel_recurrent_ppo.experiments.logging.progress import PlainProgress, progress_sinks
from sorrel_recurrent_ppo.experiments.logging.run_logging import AgentRecord, EpochRecord

DIAGNOSTICS = {"train/loss": 0.1234, "train/approx_kl": 0.0123, "train/entropy_loss": -1.25}
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


def record(epoch, rewards=(3.0, 5.0), *, seconds=2.0, diagnostics=DIAGNOSTICS):
    agents = [
        AgentRecord(str(i), i, "lstm_ppo", reward, diagnostics) for i, reward in enumerate(rewards)
    ]
    return EpochRecord(
        epoch=epoch,
        reward=sum(rewards),
        loss=0.5,
        epsilon=0.0,
        steps=100 * (epoch + 1),
        epoch_steps=100,
        seconds=seconds,
        values=diagnostics,
        agents=agents,
    )


def terminal(width=80):
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=30, color_system=None
    )


def text(console):
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(*records, last_epoch=9, width=80):
    """Return the lines of a view after these records."""
    console = terminal(width)
    view = LiveView(console, last_epoch)
    for each in records:
        view.write(each)
    page = Console(file=io.StringIO(), width=width, color_system=None)
    page.print(view)
    view.close()
    return text(page).splitlines()


def plain(*records, last_epoch):
    console = Console(file=io.StringIO(), width=40)
    lines = PlainProgress(console, last_epoch)
    for each in records:
        lines.write(each)
    lines.close()
    return text(console).splitlines()


def test_live_view_shows_placeholders_before_the_first_epoch():
    (line,) = shown()
    assert line.startswith("epoch -/9")
    assert line.endswith("0%  ETA -  0 steps/s")


def test_live_view_shows_progress_speed_and_agents():
    progress, header, *rows = shown(record(0, (1.0, 9.0)), record(1, (3.0, 5.0)))
    assert progress.startswith("epoch 1/9  ━")
    assert progress.endswith("20%  ETA 0:00:16  50 steps/s")  # eight epochs of two seconds
    assert header.split() == ["agent", "model", "reward", "last", "10", "loss", "KL", "entropy"]
    assert [row.split() for row in rows] == [
        ["0", "lstm_ppo", "3.0", "2.0", "0.1234", "0.0123", "1.250"],
        ["1", "lstm_ppo", "5.0", "7.0", "0.1234", "0.0123", "1.250"],
        ["mean", "of", "2", "lstm_ppo", "4.0", "4.5", "0.1234", "0.0123", "1.250"],
    ]


def test_live_view_shows_best_mean_and_worst_of_many_agents():
    first = record(0, [float(i) for i in range(9)])
    latest = record(1, [5.0] * 9)
    _, _, *rows = shown(first, latest)
    assert [row.split()[:6] for row in rows] == [
        ["best:", "8", "lstm_ppo", "5.0", "6.5", "0.1234"],
        ["mean", "of", "9", "lstm_ppo", "5.0", "4.5"],
        ["worst:", "0", "lstm_ppo", "5.0", "2.5", "0.1234"],
    ]


def test_live_view_shows_placeholders_without_diagnostics():
    *_, mean = shown(record(0, diagnostics={}))
    assert mean.split()[-3:] == ["-", "-", "-"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_live_view_fits_the_terminal_width(width):
    lines = shown(record(123456, (-12345.6, 98765.4)), last_epoch=999999, width=width)
    assert max(map(len, lines)) <= width
    assert len(lines) == 5


def test_live_view_keeps_other_output_above_and_later_output_below(monkeypatch):
    console = terminal()
    monkeypatch.setattr("sys.stdout", console.file)
    view = LiveView(console, 9)
    view.write(record(0))
    print("a line printed meanwhile")
    view.close()
    print("the first line after the view")
    end = text(console)
    before, _, after = end.rpartition(SHOW_CURSOR)
    assert HIDE_CURSOR in before
    assert HIDE_CURSOR not in after
    last_view = before.rpartition("epoch 0/9")[2]
    assert "a line printed meanwhile" in before
    assert "a line printed meanwhile" not in last_view
    assert last_view.rstrip("\x1b[?25hl").endswith("\n")
    assert after == "the first line after the view\n"


def test_plain_progress_counts_epochs_from_0():
    lines = plain(*(record(epoch) for epoch in range(41)), last_epoch=40)
    assert [line.split()[1] for line in lines] == [
        f"{epoch}/40" for epoch in [*range(0, 40, 3), 40]
    ]
    assert lines[-1] == (
        "epoch 40/40  reward 8.0  agents 3.0 to 5.0  loss 0.5  KL 0.0123  entropy 1.250  "
        "50 steps/s  ETA 0:00:00"
    )


def test_progress_of_a_resumed_run_starts_at_its_first_epoch():
    lines = plain(*(record(epoch) for epoch in range(51, 61)), last_epoch=100)
    assert [line.split()[1] for line in lines] == ["51/100", "54/100", "60/100"]
    assert lines[0].endswith("50 steps/s  ETA 0:01:38")
    progress, *_ = shown(record(51), last_epoch=100)
    assert "epoch 51/100" in progress
    assert "51%" in progress
    assert "ETA 0:01:38" in progress


def test_pace_follows_the_latest_fifty_epochs():
    pace = Pace(199)
    assert (pace.fps, pace.time_left) == (0.0, None)
    for epoch in range(50):
        pace.add(record(epoch, seconds=10.0))
    for epoch in range(50, 100):
        pace.add(record(epoch, seconds=1.0))
    assert pace.fps == 100.0
    assert str(pace.time_left) == "0:01:40"


def test_progress_sinks_depend_on_terminal_plain_and_quiet():
    file = Console(file=io.StringIO())
    assert [type(sink) for sink in progress_sinks(file, 9)] == [PlainProgress]
    assert [type(sink) for sink in progress_sinks(terminal(), 9, plain=True)] == [PlainProgress]
    assert progress_sinks(terminal(), 9, quiet=True) == []
    (view,) = progress_sinks(terminal(), 9)
    view.close()
    assert isinstance(view, LiveView)
