"""A run's progress on the terminal, and as plain lines elsewhere."""

from __future__ import annotations

import math
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sorrel_recurrent_ppo.run_logging import EpochRecord, Sink

__all__ = ["PlainProgress", "TerminalProgress", "progress_sink"]

PLAIN_LINES = 20


def progress_sink(console: Console, n_epochs: int, *, plain: bool = False) -> Sink:
    """Return what suits the console: a live bar on a terminal, else lines.

    Args:
        console: Where the progress is shown.
        n_epochs: Epochs of the whole run.
        plain: Lines on a terminal too, as for jobs that share it.
    """
    if console.is_terminal and not plain:
        return TerminalProgress(console, n_epochs)
    return PlainProgress(console, n_epochs)


class TerminalProgress:
    """A live bar with the latest reward, the speed and the time that is left."""

    def __init__(self, console: Console, n_epochs: int) -> None:
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("reward {task.fields[reward]:.1f}"),
            TextColumn("{task.fields[speed]:.0f} steps/s"),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("", total=n_epochs, reward=0.0, speed=0.0)
        self._steps = 0
        self._progress.start()

    def write(self, record: EpochRecord) -> None:
        """Move the bar on by an epoch."""
        speed = (record.steps - self._steps) / record.seconds
        self._steps = record.steps
        self._progress.update(self._task, advance=1, reward=record.reward, speed=speed)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()


class PlainProgress:
    """About twenty lines over the run, the first and the last epoch's among them."""

    def __init__(self, console: Console, n_epochs: int) -> None:
        self._console = console
        self._n_epochs = n_epochs
        self._every = math.ceil(n_epochs / PLAIN_LINES)
        self._started = time.perf_counter()

    def write(self, record: EpochRecord) -> None:
        """Print the epoch's line when it is one of those to print."""
        done = record.epoch + 1
        if record.epoch % self._every and done != self._n_epochs:
            return
        elapsed = time.perf_counter() - self._started
        left = elapsed / done * (self._n_epochs - done)
        self._console.print(
            f"epoch {done}/{self._n_epochs}  reward {record.reward:.1f}  loss {record.loss:.4g}  "
            f"{record.steps / elapsed:.0f} steps/s  ETA {left:.0f} s",
            highlight=False,
            soft_wrap=True,
        )

    def close(self) -> None:
        """Nothing is left to print."""
