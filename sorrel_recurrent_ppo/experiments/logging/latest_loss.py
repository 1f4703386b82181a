"""The loss of the latest update, which may be that of an earlier epoch."""

from __future__ import annotations

from sorrel_recurrent_ppo.experiments.logging.epoch_records import EpochRecord

__all__ = ["NOT_YET", "LatestLoss"]

NOT_YET = "-"


class LatestLoss:
    """The loss of a run's latest update: a recurrent PPO is not updated in every epoch.

    Attributes:
        value: The loss; ``None`` before the first update.
        epoch: The epoch of the update.
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self.epoch = -1
        self._n_updates = 0.0

    def add(self, record: EpochRecord) -> None:
        """Take over the loss of an epoch with an update.

        Models that do not count their updates train in every epoch; their loss is then not 0.
        """
        n_updates = record.values.get("train/n_updates")
        if n_updates is None:
            has_update, value = record.loss != 0.0, record.loss
        else:
            has_update, value = n_updates != self._n_updates, record.values["train/loss"]
            self._n_updates = n_updates
        if has_update:
            self.value, self.epoch = value, record.epoch

    def text(self, epoch: int) -> str:
        """Return the loss, and its epoch if it is not the given one."""
        if self.value is None:
            return NOT_YET
        when = "" if self.epoch == epoch else f" ({self.when})"
        return f"{self.value:.4g}{when}"

    @property
    def when(self) -> str:
        """The epoch of the update, in words."""
        return f"epoch {self.epoch}"
