"""The live view of a run on the terminal: its progress and its agents' metrics."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from sorrel_recurrent_ppo.experiments.interruption import STOPPING, StopRequest
from sorrel_recurrent_ppo.experiments.logging.epoch_records import AgentRecord, EpochRecord
from sorrel_recurrent_ppo.experiments.logging.latest_loss import NOT_YET, LatestLoss
from sorrel_recurrent_ppo.experiments.logging.pace import Pace

__all__ = ["LiveView"]

MAX_AGENTS = 8  # with more, the best, the worst and the mean are shown
RECENT_EPOCHS = 10


class _Row(NamedTuple):
    """One row of the table.

    Attributes:
        label: The agent or aggregate shown.
        kind: The kind of agents.
        model: The model's name.
        reward: Reward of the latest epoch.
        recent: Mean reward of the last epochs.
        diagnostics: Metrics of the model's latest update, if it reports any.
    """

    label: str
    kind: str
    model: str
    reward: float
    recent: float
    diagnostics: Mapping[str, float]


class LiveView:
    """A live display from construction until `close`, which leaves its last state visible.

    Output that is printed or logged meanwhile appears above it.

    Args:
        console: The terminal.
        last_epoch: The number of the run's last epoch; they are counted from 0.
        stop: The request to stop, which is shown as soon as it is made.
    """

    def __init__(self, console: Console, last_epoch: int, stop: StopRequest | None = None) -> None:
        self._last_epoch = last_epoch
        self._stop = stop
        if stop is not None:
            stop.is_shown = True
        self._loss = LatestLoss()
        self._pace = Pace(last_epoch)
        self._record: EpochRecord | None = None
        self._recent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT_EPOCHS))
        self._parts: list[RenderableType] = [self._progress()]
        # On a terminal with too few lines, only the top of the view is shown.
        self._live = Live(
            get_renderable=self.__rich__,  # called by each refresh, also within an epoch
            console=console,
            refresh_per_second=4,
            vertical_overflow="ellipsis",
        )
        self._live.start(refresh=True)

    def write(self, record: EpochRecord) -> None:
        """Show an epoch."""
        self._record = record
        self._pace.add(record)
        for agent in record.agents:
            self._recent[agent.name].append(agent.reward)
        self._loss.add(record)
        # Here, not in __rich__, which the display's thread calls while epochs run.
        self._parts = [self._progress(), self._table(record)]

    def close(self) -> None:
        """Leave the latest state on the terminal, and the cursor below it."""
        self._live.stop()
        if self._stop is not None:
            self._stop.is_shown = False

    def __rich__(self) -> RenderableType:
        """Return the current view."""
        is_stopping = self._stop is not None and self._stop.requested
        return Group(*self._parts, STOPPING) if is_stopping else Group(*self._parts)

    def _progress(self) -> Table:
        record, last = self._record, self._last_epoch
        line = Table.grid(padding=(0, 2, 0, 0), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        for _ in range(3):
            line.add_column(no_wrap=True, justify="right")
        epoch = NOT_YET if record is None else str(record.epoch)
        done = 0 if record is None else record.epoch + 1
        left = self._pace.time_left
        line.add_row(
            f"epoch {epoch}/{last}",
            ProgressBar(total=last + 1, completed=done),
            f"{100 * done / (last + 1):.0f}%",
            f"ETA {left if left is not None else NOT_YET}",
            f"{self._pace.fps:,.0f} steps/s",
        )
        return line

    def _table(self, record: EpochRecord) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        has_kinds = len({agent.kind for agent in record.agents}) > 1
        for name in ("agent", "kind", "model") if has_kinds else ("agent", "model"):
            table.add_column(name, no_wrap=True)
        loss = "loss" if self._loss.epoch in (-1, record.epoch) else f"loss ({self._loss.when})"
        for name in ("reward", f"last {RECENT_EPOCHS}", loss, "KL", "entropy"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self._rows(record):
            table.add_row(
                row.label,
                *([row.kind] if has_kinds else []),
                row.model,
                f"{row.reward:.1f}",
                f"{row.recent:.1f}",
                _number(row.diagnostics.get("train/loss"), ".4f"),
                _number(row.diagnostics.get("train/approx_kl"), ".4f"),
                _number(_negative(row.diagnostics.get("train/entropy_loss")), ".3f"),
            )
        return table

    def _rows(self, record: EpochRecord) -> list[_Row]:
        rows = [self._row(agent, agent.name) for agent in record.agents]
        mean = _mean(rows, record.values)
        if len(rows) == 1:
            return rows
        if len(rows) <= MAX_AGENTS:
            return [*rows, mean]
        if len(kinds := list(dict.fromkeys(row.kind for row in rows))) > 1:
            by_kind = [[row for row in rows if row.kind == kind] for kind in kinds]
            return [*(_mean(alike, {}) for alike in by_kind[:MAX_AGENTS]), mean]
        ordered = sorted(rows, key=lambda row: row.recent)
        best, worst = ordered[-1], ordered[0]
        return [
            best._replace(label=f"best: {best.label}"),
            mean,
            worst._replace(label=f"worst: {worst.label}"),
        ]

    def _row(self, agent: AgentRecord, label: str) -> _Row:
        recent = float(np.mean(self._recent[agent.name]))
        return _Row(label, agent.kind, agent.model, agent.reward, recent, agent.diagnostics)


def _mean(rows: Sequence[_Row], diagnostics: Mapping[str, float]) -> _Row:
    return _Row(
        label=f"mean of {len(rows)}",
        kind=_common([row.kind for row in rows]),
        model=_common([row.model for row in rows]),
        reward=float(np.mean([row.reward for row in rows])),
        recent=float(np.mean([row.recent for row in rows])),
        diagnostics=diagnostics,
    )


def _common(names: Sequence[str]) -> str:
    return names[0] if len(set(names)) == 1 else "several"


def _number(value: float | None, form: str) -> str:
    return NOT_YET if value is None else format(value, form)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
