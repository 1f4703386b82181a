"""``sorrel-recurrent-ppo evaluate``: saved agents play, and nobody learns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.report_console import report_console
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.atomic_files import atomic_write
from sorrel_recurrent_ppo.support.checks import check_choice, check_integer
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_run_and_settings,
    setting,
    wants_help,
)
from sorrel_recurrent_ppo.support.csv_table import write_table

if TYPE_CHECKING:
    from sorrel_recurrent_ppo.reports.evaluation import EvaluatedEpoch
    from sorrel_recurrent_ppo.reports.saved_agents import SavedAgent

__all__ = ["EvaluateSettings", "Evaluation", "evaluate_run", "main"]

HELP = CommandHelp(
    "evaluate",
    "RUN_DIR",
    "Plays the saved agents of a run without training, on seeds that no training had. They act\n"
    "twice: sampled, as in training (Sorrel's own models with the epsilon of their last epoch),\n"
    "and deterministic, by the most probable or most valued action (epsilon 0). Agents of other\n"
    "runs can take places: agents.1=OTHER_RUN:0 puts that run's agent 0 into place 1; :3 is the\n"
    "run's own agent 3, such as one who was replaced.",
    (
        "sorrel-recurrent-ppo evaluate runs/treasurehunt/lstm_ppo/2026-01-31_12-00-00 epochs=20",
        "sorrel-recurrent-ppo evaluate RUN_DIR agents.0=OTHER_RUN:0 agents.1=OTHER_RUN:1",
    ),
)
BOTH = "both"
MODES = ("sampled", "deterministic")


@dataclass
class EvaluateSettings:
    """What can be set."""

    epochs: int = setting(10, "epochs to play in each mode")
    seed: int | None = setting(None, "what the seeds follow from; null: the run's own seed")
    mode: str = setting(BOTH, "sampled, deterministic or both")
    max_turns: int | None = setting(None, "turns of an epoch; null: as in training")
    gif: bool = setting(True, "a GIF of the first epoch of each mode")
    device: str | None = setting(None, "where the models compute; null: as in training")
    output: str | None = setting(None, "directory; null: RUN_DIR/evaluation/<date_time>")
    agents: dict[str, str] = setting(  # noqa: RUF009 - returns a field
        {}, "agents.PLACE=RUN_DIR:NAME gives a place to another agent"
    )


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        agents: Who played, by place.
        epochs: Every epoch of each mode.
    """

    agents: list[SavedAgent]
    epochs: list[EvaluatedEpoch]

    def rewards(self, mode: str) -> np.ndarray:
        """Return a mode's rewards; shape ``(n_epochs, 1 + n_agents)``, the world's total first."""
        played = [epoch for epoch in self.epochs if epoch.mode == mode]
        return np.array([[epoch.reward, *epoch.agent_rewards] for epoch in played])

    @property
    def modes(self) -> list[str]:
        """The modes that were played."""
        return list(dict.fromkeys(epoch.mode for epoch in self.epochs))


def main(arguments: Sequence[str]) -> None:
    """Run the command on its arguments.

    Raises:
        ConfigError: An argument is at fault.
        CheckpointError: An agent's file is missing, damaged, or does not fit its place.
    """
    if wants_help(arguments):
        print(HELP.text(EvaluateSettings))
        return
    directory, settings = parse_run_and_settings(arguments, EvaluateSettings)
    run = SavedRun(directory)
    output = _output(run, settings)
    evaluation = evaluate_run(run, settings, output)
    _write_files(evaluation, settings, output)
    console = report_console()
    console.print(_table(run, evaluation))
    written = ", ".join(sorted(path.name for path in output.iterdir()))
    console.print(f"Files in {output}: {written}", markup=False, soft_wrap=True)


def evaluate_run(run: SavedRun, settings: EvaluateSettings, gifs: Path) -> Evaluation:
    """Play the agents of a run, leaving its files and all random streams as they are.

    Args:
        run: The run.
        settings: What was set.
        gifs: The folder that GIFs go into.

    Raises:
        ConfigError: A setting is at fault.
        CheckpointError: An agent's file is missing, damaged, or does not fit its place.
    """
    modes = _checked_modes(settings)
    # Imports PyTorch and Sorrel, which --help and a mistake in the settings do without.
    from sorrel_recurrent_ppo.reports.evaluation import evaluation_seeds, play
    from sorrel_recurrent_ppo.reports.saved_agents import choose_agents
    from sorrel_recurrent_ppo.support.randomness import untouched_random_state

    agents = choose_agents(run, settings.agents)
    trained_with = [source.config.get("seed") for source in (run, *(a.run for a in agents))]
    own_seed = int(trained_with[0] or 0)
    base = own_seed if settings.seed is None else settings.seed
    seeds = evaluation_seeds(base, settings.epochs, trained_with)
    epochs: list[EvaluatedEpoch] = []
    with untouched_random_state():
        for mode in modes:
            epochs += play(
                run,
                agents,
                seeds,
                mode=mode,
                max_turns=settings.max_turns,
                device=settings.device,
                gif=gifs / f"{mode}.gif" if settings.gif else None,
            )
    return Evaluation(agents, epochs)


def _checked_modes(settings: EvaluateSettings) -> Sequence[str]:
    check_integer("epochs", settings.epochs, 1)
    if settings.seed is not None:
        check_integer("seed", settings.seed, 0)
    if settings.max_turns is not None:
        check_integer("max_turns", settings.max_turns, 1)
    check_choice("mode", settings.mode, (*MODES, BOTH))
    return MODES if settings.mode == BOTH else (settings.mode,)


def _output(run: SavedRun, settings: EvaluateSettings) -> Path:
    if settings.output is None:
        return run.directory / "evaluation" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    output = Path(settings.output)
    if (output / "evaluation.json").exists():
        raise ConfigError(f"{output} already holds an evaluation; name another with output=...")
    return output


# --- what is shown and written ---


def _places(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return the table's first cells of each row: place, who plays, its model."""
    rows = [("total", "", "")]
    for place, saved in enumerate(evaluation.agents):
        rows.append((str(place), str(saved), saved.agent.model_name))
    return rows


def _table(run: SavedRun, evaluation: Evaluation) -> Table:
    n_epochs = len(evaluation.rewards(evaluation.modes[0]))
    table = Table(
        title=f"Reward of an epoch: mean of {n_epochs} \u00b1 standard deviation \\[least, most]",
        title_justify="left",
    )
    for heading in ("place", "agent", "model"):
        table.add_column(heading, overflow="fold")
    for mode in evaluation.modes:
        table.add_column(mode, justify="right")
    own = f"{run.directory}:"
    for row, (place, name, model) in enumerate(_places(evaluation)):
        cells = [_cell(evaluation.rewards(mode)[:, row]) for mode in evaluation.modes]
        table.add_row(place, name.removeprefix(own), model, *cells, end_section=row == 0)
    return table


def _cell(rewards: np.ndarray) -> str:
    spread = f" \u00b1 {rewards.std(ddof=1):.1f}" if len(rewards) > 1 else ""
    return f"{rewards.mean():.1f}{spread}\n\\[{rewards.min():g}, {rewards.max():g}]"


def _write_files(evaluation: Evaluation, settings: EvaluateSettings, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    _write_epochs(evaluation, output / "epochs.csv")
    summary = _summary(evaluation)
    write_table(output / "summary.csv", list(summary[0]), summary)
    whole = {
        "settings": asdict(settings),
        "agents": [
            {"place": place, "checkpoint": str(saved.checkpoint), "model": saved.agent.model_name}
            for place, saved in enumerate(evaluation.agents)
        ],
        "summary": summary,
        "epochs": [asdict(epoch) for epoch in evaluation.epochs],
    }
    with atomic_write(output / "evaluation.json") as partial:
        partial.write_text(json.dumps(whole, indent=2) + "\n")


def _write_epochs(evaluation: Evaluation, path: Path) -> None:
    rewards = [f"reward/{place}" for place in range(len(evaluation.agents))]
    values = list(dict.fromkeys(name for epoch in evaluation.epochs for name in epoch.values))
    rows = [
        {
            "mode": epoch.mode,
            "epoch": epoch.epoch,
            "seed": epoch.seed,
            "reward": epoch.reward,
            **dict(zip(rewards, epoch.agent_rewards, strict=True)),
            **epoch.values,
        }
        for epoch in evaluation.epochs
    ]
    write_table(path, ["mode", "epoch", "seed", "reward", *rewards, *values], rows)


def _summary(evaluation: Evaluation) -> list[dict[str, str | float | None]]:
    rows: list[dict[str, str | float | None]] = []
    for mode in evaluation.modes:
        for column, (place, name, model) in enumerate(_places(evaluation)):
            rewards = evaluation.rewards(mode)[:, column]
            rows.append(
                {
                    "mode": mode,
                    "place": place,
                    "agent": name,
                    "model": model,
                    "n_epochs": len(rewards),
                    "mean": float(rewards.mean()),
                    "std": float(rewards.std(ddof=1)) if len(rewards) > 1 else None,
                    "min": float(rewards.min()),
                    "max": float(rewards.max()),
                }
            )
    return rows
