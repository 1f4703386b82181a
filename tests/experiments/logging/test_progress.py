"""Plain progress lines, and the choice between them and the live view."""

import io

from rich.console import Console

from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView
from sorrel_recurrent_ppo.experiments.logging.progress import PlainProgress, progress_sinks
from support.progress_display import record, shown, terminal, text


def plain(*records, last_epoch):
    console = Console(file=io.StringIO(), width=40)
    lines = PlainProgress(console, last_epoch)
    for each in records:
        lines.write(each)
    lines.close()
    return text(console).splitlines()


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


def test_progress_sinks_depend_on_terminal_plain_and_quiet():
    file = Console(file=io.StringIO())
    assert [type(sink) for sink in progress_sinks(file, 9)] == [PlainProgress]
    assert [type(sink) for sink in progress_sinks(terminal(), 9, plain=True)] == [PlainProgress]
    assert progress_sinks(terminal(), 9, quiet=True) == []
    (view,) = progress_sinks(terminal(), 9)
    view.close()
    assert isinstance(view, LiveView)
