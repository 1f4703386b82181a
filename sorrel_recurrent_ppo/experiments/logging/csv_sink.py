"""The CSV files of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import CsvTable, TablePosition

__all__ = ["CsvSink"]


class CsvSink:
    """Writes ``metrics.csv``, a row per record, and ``agents.csv``, a row per record and agent.

    Args:
        files: The run's files.
        is_averaged: Whether records are means over several epochs, whose number gets a column.
        kept: The rows of each file to keep, for a resumed run: what :meth:`state_dict` returned,
            with at least ``n_rows`` of ``metrics`` and ``agents``.

    Raises:
        CheckpointError: Rows of completed epochs are missing.
    """

    def __init__(
        self,
        files: RunFiles,
        *,
        is_averaged: bool = False,
        kept: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._is_averaged = is_averaged
        epochs = ["epoch", "epochs"] if is_averaged else ["epoch"]
        positions = {name: TablePosition(**position) for name, position in (kept or {}).items()}
        self._metrics = CsvTable(
            files.metrics,
            [*epochs, "reward", "loss", "epsilon", "steps", "seconds"],
            kept=positions.get("metrics"),
        )
        try:
            self._agents = CsvTable(
                files.agents,
                [*epochs, "agent", "index", "model", "kind", "reward"],
                kept=positions.get("agents"),
            )
        except (CheckpointError, OSError):
            self._metrics.close()
            raise

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return where the files end, as plain values."""
        tables = {"metrics": self._metrics, "agents": self._agents}
        return {name: asdict(table.position) for name, table in tables.items()}

    def write(self, record: EpochRecord) -> None:
        """Append the record's rows."""
        self._metrics.append(
            {
                **self._epochs(record.epoch, record.n_epochs),
                "reward": record.reward,
                "loss": record.loss,
                "epsilon": record.epsilon,
                "steps": record.steps,
                "seconds": f"{record.seconds:.4f}",
                **record.values,
            }
        )
        for agent in record.agents:
            epoch = record.epoch if agent.epoch is None else agent.epoch
            self._agents.append(
                {
                    **self._epochs(epoch, agent.n_epochs),
                    "agent": agent.name,
                    "index": agent.index,
                    "model": agent.model,
                    "kind": agent.kind,
                    "reward": agent.reward,
                    **agent.diagnostics,
                }
            )

    def _epochs(self, epoch: int, n_epochs: int) -> dict[str, int]:
        return {"epoch": epoch, "epochs": n_epochs} if self._is_averaged else {"epoch": epoch}

    def close(self) -> None:
        """Close both files."""
        self._metrics.close()
        self._agents.close()
