"""A run's progress: a live view on the terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import math

from rich.console import Console

from sorrel_recurrent_ppo.experiments.interruption import StopRequest
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord, Sink
from sorrel_recurrent_ppo.experiments.logging.latest_loss import LatestLoss
from sorrel_recurrent_ppo.experiments.logging.live_view import LiveView
from sorrel_recurrent_ppo.experiments.logging.pace import Pace

__all__ = ["PlainProgress", "progress_sinks"]

PLAIN_LINES = 20


def progress_sinks(
    console: Console,
    last_epoch: int,
    *,
    plain: bool = False,
    quiet: bool = False,
    stop: StopRequest | None = None,
) -> list[Sink]:
    """Return the sinks that suit the console: a live view on a terminal, else lines.

    Args:
        console: Where the progress is shown.
        last_epoch: The number of the run's last epoch; they are counted from 0.
        plain: Lines even on a terminal, for jobs that share it.
        quiet: Show nothing.
        stop: The request to stop, which the live view shows.
    """
    if quiet:
        return []
    if console.is_terminal and not plain:
        return [LiveView(console, last_epoch, stop)]
    return [PlainProgress(console, last_epoch)]


class PlainProgress:
    """Prints about twenty lines per run, including the first and the last epoch."""

    def __init__(self, console: Console, last_epoch: int) -> None:
        self._console = console
        self._last_epoch = last_epoch
        self._every = math.ceil((last_epoch + 1) / PLAIN_LINES)
        self._pace = Pace(last_epoch)
        self._loss = LatestLoss()
        self._first = True

    def write(self, record: EpochRecord) -> None:
        """Print the epoch's line if it is due."""
        self._pace.add(record)
        self._loss.add(record)
        if self._first or record.epoch % self._every == 0 or record.epoch == self._last_epoch:
            self._console.print(self._line(record), highlight=False, soft_wrap=True)
        self._first = False

    def close(self) -> None:
        """Do nothing."""

    def _line(self, record: EpochRecord) -> str:
        parts = [f"epoch {record.epoch}/{self._last_epoch}", f"reward {record.reward:.1f}"]
        rewards = [agent.reward for agent in record.agents]
        if len(rewards) > 1:
            parts.append(f"agents {min(rewards):.1f} to {max(rewards):.1f}")
        parts.append(f"loss {self._loss.text(record.epoch)}")
        if "train/approx_kl" in record.values:
            parts.append(f"KL {record.values['train/approx_kl']:.4f}")
            parts.append(f"entropy {-record.values['train/entropy_loss']:.3f}")
        parts += [f"{self._pace.fps:.0f} steps/s", f"ETA {self._pace.time_left}"]
        return "  ".join(parts)
