"""The command ``sorrel-recurrent-ppo evaluate``: play saved agents without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports.evaluation_output import (
    EVALUATION_FILE,
    evaluation_table,
    write_evaluation,
)
from sorrel_recurrent_ppo.reports.evaluation_results import (
    DETERMINISTIC,
    SAMPLED,
    EvaluatedEpoch,
    Evaluation,
)
from sorrel_recurrent_ppo.reports.report_console import report_console
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.support.checks import check_choice, check_integer
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_run_and_settings,
    setting,
    wants_help,
)

__all__ = ["EvaluateSettings", "evaluate_run", "main"]

HELP = CommandHelp(
    "evaluate",
    "RUN_DIR",
    "Play the saved agents of a run without training, with seeds that were not used in training.\n"
    "There are two modes: sampled, as in training (Sorrel's own models with the epsilon of their\n"
    "last epoch), and deterministic, with the action of highest probability or value (epsilon 0).\n"
    "Agents of other runs can be substituted: agents.1=OTHER_RUN:0 replaces the agent at index 1\n"
    "by agent 0 of OTHER_RUN; agents.1=:3 by agent 3 of the same run, such as a replaced one;\n"
    "agents.1=:3@1000 by its checkpoint that was kept for epoch 1000.",
    (
        "sorrel-recurrent-ppo evaluate runs/treasurehunt/lstm_ppo/2026-01-31_12-00-00 epochs=20",
        "sorrel-recurrent-ppo evaluate RUN_DIR agents.0=OTHER_RUN:0 agents.1=OTHER_RUN:1",
    ),
)
BOTH = "both"
MODES = (SAMPLED, DETERMINISTIC)


@dataclass
class EvaluateSettings:
    """The settings of the command."""

    epochs: int = setting(10, "number of epochs in each mode")
    seed: int | None = setting(None, "base of the epochs' seeds; null: the run's seed")
    mode: str = setting(BOTH, "sampled, deterministic or both")
    max_turns: int | None = setting(None, "turns per epoch; null: as in training")
    checkpoint: int | None = setting(
        None, "epoch whose checkpoints were kept (checkpoint_keep); null: the latest"
    )
    gif: bool = setting(True, "write a GIF of the first epoch of each mode")
    device: str | None = setting(None, "device of the models; null: as in training")
    output: str | None = setting(None, "output directory; null: RUN_DIR/evaluation/<date_time>")
    agents: dict[str, str] = setting(  # noqa: RUF009 - returns a field
        {}, "agents.INDEX=RUN_DIR:NAME[@EPOCH] substitutes another saved agent"
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Args:
        arguments: The arguments after the command's name.

    Raises:
        ConfigError: An argument is invalid.
        CheckpointError: A checkpoint is missing, damaged, or does not fit the environment.
    """
    if wants_help(arguments):
        print(HELP.text(EvaluateSettings))
        return
    directory, settings = parse_run_and_settings(arguments, EvaluateSettings)
    run = SavedRun(directory)
    output = _output_directory(run, settings)
    evaluation = evaluate_run(run, settings, output)
    write_evaluation(evaluation, asdict(settings), output)
    console = report_console()
    console.print(evaluation_table(run, evaluation))
    written = ", ".join(sorted(path.name for path in output.iterdir()))
    console.print(f"Files in {output}: {written}", markup=False, soft_wrap=True)


def evaluate_run(run: SavedRun, settings: EvaluateSettings, gif_directory: Path) -> Evaluation:
    """Play the agents of a run, without changing its files or the global random streams.

    Args:
        run: The run.
        settings: The settings.
        gif_directory: The directory for GIFs.

    Raises:
        ConfigError: A setting is invalid.
        CheckpointError: A checkpoint is missing, damaged, or does not fit the environment.
    """
    modes = _check_settings(settings)
    # PyTorch and Sorrel take long to import: not for --help or an invalid setting.
    from sorrel_recurrent_ppo.reports.evaluation import evaluation_seeds, play
    from sorrel_recurrent_ppo.reports.saved_agents import choose_agents
    from sorrel_recurrent_ppo.support.randomness import untouched_random_state
    from sorrel_recurrent_ppo.support.single_thread import single_thread

    agents = choose_agents(run, settings.agents, epoch=settings.checkpoint)
    training_seeds = [source.config.get("seed") for source in (run, *(a.run for a in agents))]
    base = int(training_seeds[0] or 0) if settings.seed is None else settings.seed
    seeds = evaluation_seeds(base, settings.epochs, training_seeds)
    epochs: list[EvaluatedEpoch] = []
    with untouched_random_state(), single_thread():
        for mode in modes:
            epochs += play(
                run,
                agents,
                seeds,
                mode=mode,
                max_turns=settings.max_turns,
                device=settings.device,
                gif=gif_directory / f"{mode}.gif" if settings.gif else None,
            )
    return Evaluation(agents, epochs)


def _check_settings(settings: EvaluateSettings) -> Sequence[str]:
    """Check the settings, and return the modes to evaluate."""
    check_integer("epochs", settings.epochs, 1)
    if settings.seed is not None:
        check_integer("seed", settings.seed, 0)
    if settings.checkpoint is not None:
        check_integer("checkpoint", settings.checkpoint, 0)
    if settings.max_turns is not None:
        check_integer("max_turns", settings.max_turns, 1)
    check_choice("mode", settings.mode, (*MODES, BOTH))
    return MODES if settings.mode == BOTH else (settings.mode,)


def _output_directory(run: SavedRun, settings: EvaluateSettings) -> Path:
    if settings.output is None:
        return run.directory / "evaluation" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    output = Path(settings.output)
    if (output / EVALUATION_FILE).exists():
        raise ConfigError(
            f"{output} already contains an evaluation; choose another directory with output=..."
        )
    return output
