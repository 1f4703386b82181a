"""The record of what was replaced when, and its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.csv_table import write_table
from sorrel_recurrent_ppo.support.wording import counted

__all__ = ["Replacement", "save_in_hydra_directory", "write_replacements"]


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """The record of one replacement; its fields are the columns of ``replacements.csv``.

    Attributes:
        epoch: The epoch at whose start, or during which, it happened; -1 before the first.
        index: The agent's index in the population.
        left: Lasting name of the agent that left.
        joined: Lasting name of the newcomer.
        left_model: Registry name of the model that left.
        joined_model: Registry name of the newcomer's model.
        tenure: Epochs that the agent that left had completed in the group.
        seed: The newcomer's seed; ``None`` if not known.
        checkpoint: The file that the newcomer was loaded from, or ``None`` for a fresh one.
        by: Who replaced it: ``"schedule"``, ``"replace_agent"``, or ``"environment"`` for the
            environment's own code. Empty in records of version 0.1.0.
    """

    epoch: int
    index: int
    left: str
    joined: str
    left_model: str
    joined_model: str
    tenure: int
    seed: int | None
    checkpoint: str | None
    by: str = ""

    @classmethod
    def of(
        cls, former: Member, joined: Member, *, by: str, checkpoint: str | None = None
    ) -> Replacement:
        """Return the record of a member that took the index of another."""
        return cls(
            epoch=joined.joined_epoch,
            index=joined.index,
            left=former.name,
            joined=joined.name,
            left_model=former.model_name,
            joined_model=joined.model_name,
            tenure=former.n_epochs,
            seed=joined.seed,
            checkpoint=checkpoint,
            by=by,
        )

    def __str__(self) -> str:
        source = f" from {self.checkpoint}" if self.checkpoint else ""
        epochs = counted(self.tenure, "epoch")
        author = " by the environment" if self.by == "environment" else ""
        return (
            f"epoch {self.epoch}: agent {self.left} ({self.left_model}, {epochs}) at index "
            f"{self.index} is replaced{author} by agent {self.joined} "
            f"({self.joined_model}{source}, seed {self.seed})"
        )


def write_replacements(path: Path, replacements: Sequence[Replacement]) -> None:
    """Write records to a CSV file, a row each, replacing an older file."""
    rows = [asdict(replacement) for replacement in replacements]
    write_table(path, [field.name for field in fields(Replacement)], rows)


def save_in_hydra_directory(population: Population) -> None:
    """Write a population's replacements to the output directory of the running Hydra job, if any.

    A listener of `Population.replacement_listeners`.
    """
    if HydraConfig.initialized():
        directory = Path(HydraConfig.get().runtime.output_dir)
        write_replacements(RunFiles(directory).replacements, population.replacements)
