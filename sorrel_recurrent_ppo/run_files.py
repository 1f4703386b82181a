"""The names and paths of a run's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sorrel_recurrent_ppo.support.atomic_files import partial_path

__all__ = ["RunFiles"]


@dataclass(frozen=True)
class RunFiles:
    """The paths of the files in a run's directory.

    Attributes:
        directory: The run's directory.
    """

    directory: Path

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.directory / "config.yaml"

    @property
    def provenance(self) -> Path:
        """The commands, seeds and software versions of the run."""
        return self.directory / "provenance.yaml"

    @property
    def run_state(self) -> Path:
        """Everything needed to resume the run."""
        return self.directory / "run_state.pt"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.directory / "metrics.csv"

    @property
    def agents(self) -> Path:
        """One row per epoch and agent."""
        return self.directory / "agents.csv"

    @property
    def replacements(self) -> Path:
        """One row per replaced agent; only with a replacement schedule."""
        return self.directory / "replacements.csv"

    @property
    def learning_curve(self) -> Path:
        """The plot of the rewards."""
        return self.directory / "learning_curve.png"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.directory / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """One file per agent, including replaced ones."""
        return self.directory / "checkpoints"

    @property
    def sorrel(self) -> Path:
        """The output of Sorrel's runner (GIFs and, in some environments, its checkpoints)."""
        return self.directory / "sorrel"

    @property
    def gifs(self) -> Path:
        """Sorrel's GIFs of the world."""
        return self.sorrel / "gifs"

    @property
    def recorded(self) -> Path:
        """The agents' recorded observations, actions and recurrent states, if enabled."""
        return self.directory / "agents"

    @property
    def inspection(self) -> Path:
        """Plots of the recorded states."""
        return self.directory / "inspect"

    @property
    def wandb_id(self) -> Path:
        """The id of the wandb run, if one is used."""
        return self.directory / "wandb_id.txt"

    def agent_view(self, agent_name: str, epoch: int) -> Path:
        """Return the GIF of an agent's view and recurrent state in an epoch."""
        return self.inspection / f"agent{agent_name}_epoch{epoch}_view.gif"

    def recorded_states(self, agent_name: str) -> Path:
        """Return the file of an agent's recorded steps, by its lasting name."""
        return self.recorded / f"{agent_name}.npz"

    def checkpoint(self, agent_name: str) -> Path:
        """Return the checkpoint file of an agent, by its lasting name."""
        return self.checkpoints / f"{agent_name}.pt"

    def kept_checkpoint(self, agent_name: str, epoch: int) -> Path:
        """Return the copy of an agent's checkpoint that is kept for an epoch."""
        return self.checkpoint(f"{agent_name}@{epoch}")

    def kept_checkpoints(self) -> dict[int, list[Path]]:
        """Return the kept copies that exist, by epoch."""
        found: dict[int, list[Path]] = {}
        for path in sorted(self.checkpoints.glob("*@*.pt")):
            epoch = path.stem.rpartition("@")[2]
            if epoch.isdecimal():
                found.setdefault(int(epoch), []).append(path)
        return found

    def remove_partial_files(self) -> None:
        """Remove partial files left by a killed process."""
        for path in self.directory.rglob(partial_path(Path("*")).name):
            path.unlink(missing_ok=True)

    def present(self) -> list[str]:
        """Return the names of the files and folders that exist."""
        listed = [
            *(self.metrics, self.agents, self.replacements, self.learning_curve, self.config),
            *(self.provenance, self.run_state, self.checkpoints, self.tensorboard, self.recorded),
            *(self.inspection, self.sorrel),
        ]
        return [f"{path.name}/" if path.is_dir() else path.name for path in listed if path.exists()]
