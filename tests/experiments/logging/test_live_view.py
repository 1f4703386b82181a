"""The live view of a run on a terminal."""

from dataclasses import replace

import pytest

from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView
from support.progress_display import record, shown, terminal, text

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


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


def of_kinds(shown_record, kinds):
    agents = [replace(a, kind=k) for a, k in zip(shown_record.agents, kinds, strict=True)]
    return replace(shown_record, agents=agents)


def test_live_view_shows_kinds_where_there_are_several():
    _, header, *rows = shown(of_kinds(record(0, (1.0, 5.0)), ["walker", "police"]))
    assert header.split()[:3] == ["agent", "kind", "model"]
    assert [row.split()[:4] for row in rows[:2]] == [
        ["0", "walker", "lstm_ppo", "1.0"],
        ["1", "police", "lstm_ppo", "5.0"],
    ]
    assert rows[2].split()[3:5] == ["several", "lstm_ppo"]


def test_live_view_shows_the_mean_of_each_kind_of_many_agents():
    many = record(0, [1.0] * 6 + [4.0] * 3)
    _, _, *rows = shown(of_kinds(many, ["walker"] * 6 + ["police"] * 3))
    assert [row.split()[:6] for row in rows] == [
        ["mean", "of", "6", "walker", "lstm_ppo", "1.0"],
        ["mean", "of", "3", "police", "lstm_ppo", "4.0"],
        ["mean", "of", "9", "several", "lstm_ppo", "2.0"],
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
