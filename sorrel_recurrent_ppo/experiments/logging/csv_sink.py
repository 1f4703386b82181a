"""The CSV files of a run."""

from __future__ import annotations

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import CsvTable

__all__ = ["CsvSink"]


class CsvSink:
    """Writes ``metrics.csv``, a row per epoch, and ``agents.csv``, a row per epoch and agent.

    Args:
        files: The run's files.
        first_epoch: The epoch from which the run resumes; the rows before it are kept.
        n_agent_rows: The number of rows of ``agents.csv`` before that epoch.

    Raises:
        CheckpointError: Rows before ``first_epoch`` are missing.
    """

    def __init__(self, files: RunFiles, *, first_epoch: int = 0, n_agent_rows: int = 0) -> None:
        self._metrics = CsvTable(
            files.metrics,
            ["epoch", "reward", "loss", "epsilon", "steps", "seconds"],
            n_kept=first_epoch,
        )
        try:
            self._agents = CsvTable(
                files.agents,
                ["epoch", "agent", "index", "model", "kind", "reward"],
                n_kept=n_agent_rows,
            )
        except (CheckpointError, OSError):
            self._metrics.close()
            raise

    def write(self, record: EpochRecord) -> None:
        """Append the epoch's rows."""
        self._metrics.append(
            {
                "epoch": record.epoch,
                "reward": record.reward,
                "loss": record.loss,
                "epsilon": record.epsilon,
                "steps": record.steps,
                "seconds": f"{record.seconds:.4f}",
                **record.values,
            }
        )
        for agent in record.agents:
            self._agents.append(
                {
                    "epoch": record.epoch,
                    "agent": agent.name,
                    "index": agent.index,
                    "model": agent.model,
                    "kind": agent.kind,
                    "reward": agent.reward,
                    **agent.diagnostics,
                }
            )

    def close(self) -> None:
        """Close both files."""
        self._metrics.close()
        self._agents.close()
