"""The TensorBoard events of a run."""

from __future__ import annotations

from sorrel.utils.logging import TensorboardLogger
from tensorboard.compat.proto.event_pb2 import (  # generated names
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)

from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord, scalars

__all__ = ["TensorboardSink"]


class TensorboardSink:
    """Writes with the writer of Sorrel's TensorBoard logger: its tags, and all `scalars`."""

    def __init__(self, logger: TensorboardLogger) -> None:
        self._logger = logger

    def purge_from(self, epoch: int) -> None:
        """Discard what an earlier process wrote from this epoch on."""
        restart = Event(session_log=SessionLog(status=SessionLog.START))
        self._logger.writer._get_file_writer().add_event(restart, step=epoch)

    def write(self, record: EpochRecord) -> None:
        """Write the epoch's scalars."""
        # Not through the logger's own method, which keeps all values in memory.
        of_sorrel = {"loss": record.loss, "score": record.reward, "epsilon": record.epsilon}
        for name, value in (of_sorrel | scalars(record)).items():
            self._logger.writer.add_scalar(name, value, record.epoch)

    def close(self) -> None:
        """Flush and close the writer."""
        self._logger.writer.close()
