"""Plain progress lines, and the choice between them and the live view."""

import io
from dataclasses import replace

from rich.console import Console

from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView
from sorrel_recurrent_ppo.experiments.logging.progress import PlainProgress, progress_sinks
from support.progress_display import DIAGNOSTICS, record, shown, terminal, text


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


def without_update(epoch):
    return replace(record(epoch, diagnostics={}), loss=0.0)


def updated(epoch, n_updates, loss):
    diagnostics = {**DIAGNOSTICS, "train/loss": loss, "train/n_updates": n_updates}
    return replace(record(epoch, diagnostics=diagnostics), loss=2 * loss)


def test_loss_is_that_of_the_latest_update_with_its_epoch():
    records = [
        without_update(0),
        updated(1, 1.0, 0.25),
        replace(updated(2, 1.0, 0.25), loss=0.0),  # diagnostics are those of the latest update
        updated(3, 2.0, -0.5),
    ]
    lines = plain(*records, last_epoch=3)
    losses = [line.partition("loss ")[2].split("  ")[0] for line in lines]
    assert losses == ["-", "0.25", "0.25 (epoch 1)", "-0.5"]
    _, heading, *_ = shown(*records[:3])
    assert "loss (epoch 1)" in heading
    _, heading, *_ = shown(*records)
    assert "loss (" not in heading


def test_loss_of_models_that_do_not_count_their_updates_is_that_of_the_epoch():
    records = [replace(record(k, diagnostics={}), loss=value) for k, value in enumerate([0.0, 0.7])]
    lines = plain(*records, last_epoch=1)
    assert [line.partition("loss ")[2].split("  ")[0] for line in lines] == ["-", "0.7"]
