"""Epoch records and terminals for tests of the progress display."""

import io

from rich.console import Console

from sorrel_recurrent_ppo.experiments.logging.epoch_records import AgentRecord, EpochRecord
from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView

DIAGNOSTICS = {"train/loss": 0.1234, "train/approx_kl": 0.0123, "train/entropy_loss": -1.25}


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
