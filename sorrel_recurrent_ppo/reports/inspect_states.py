"""``sorrel-recurrent-ppo inspect``: pictures of what an agent of a run keeps in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.checks import check_choice
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_run_and_settings,
    setting,
    wants_help,
)
from sorrel_recurrent_ppo.support.csv_table import read_columns

__all__ = ["inspect_run", "main"]

ALL_EPOCHS = "all"
ARRAYS = {"hidden": "hidden_states", "cell": "cell_states"}

HELP = CommandHelp(
    "inspect",
    "RUN_DIR",
    "Draws an agent's hidden states into RUN_DIR/inspect: over time, by their two main\n"
    "components, and as a GIF beside what the agent sees. The run must have been recorded,\n"
    "with record_states=true.",
    examples=[
        "sorrel-recurrent-ppo inspect runs/treasurehunt/lstm_ppo/2026-01-31_12-00-00",
        "sorrel-recurrent-ppo inspect RUN_DIR agent=1 epoch=100 colour=value",
    ],
)


@dataclass
class _Settings:
    agent: str = setting("0", "its lasting name")
    epoch: str | None = setting(None, "a recorded epoch, or all; null: the latest")
    colour: str = setting(
        "reward", "of the components: reward, action, value, log_prob, turn, epoch or done"
    )
    state: str = setting("hidden", "hidden, or cell: an LSTM's")


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Args:
        arguments: What follows its name.

    Raises:
        ConfigError: There is no such run, agent, epoch, colour or state, or nothing was recorded.
    """
    if wants_help(arguments):
        print(HELP.text(_Settings))
        return
    directory, settings = parse_run_and_settings(arguments, _Settings)
    written = inspect_run(
        directory,
        agent=settings.agent,
        epoch=settings.epoch,
        colour=settings.colour,
        state=settings.state,
    )
    for path in written:
        print(path)


def inspect_run(
    directory: Path,
    *,
    agent: str = "0",
    epoch: str | None = None,
    colour: str = "reward",
    state: str = "hidden",
) -> list[Path]:
    """Draw an agent's recorded states.

    Args:
        directory: The run's directory.
        agent: The agent's lasting name.
        epoch: A recorded epoch's number, ``"all"``, or ``None`` for the latest.
        colour: What the components are coloured by.
        state: ``"hidden"`` or ``"cell"``.

    Returns:
        The pictures that were written.

    Raises:
        ConfigError: There is no such run, agent, epoch, colour or state, or nothing was recorded.
    """
    # Matplotlib takes its time, which --help does without.
    from sorrel_recurrent_ppo.recording.agent_view import animate_agent_view
    from sorrel_recurrent_ppo.recording.recorded_states import load_states
    from sorrel_recurrent_ppo.recording.state_plots import (
        COLOURS,
        plot_components,
        plot_hidden_states,
    )

    check_choice("colour", colour, COLOURS)
    check_choice("state", state, ARRAYS)
    files = RunFiles(directory)
    states = load_states(_recorded_file(files, agent))
    if ARRAYS[state] not in states.steps:
        raise ConfigError(f"state=cell: agent {agent} is a {states.subject.model}, without a cell")
    chosen = states if epoch == ALL_EPOCHS else states.of_epoch(_epoch(epoch, states.epochs))
    stem = f"agent{agent}_epoch{ALL_EPOCHS if epoch == ALL_EPOCHS else chosen.epochs[0]}"
    latest = states.of_epoch(chosen.epochs[-1])
    over_time = files.inspection / f"{stem}_{state}_states.png"
    by_components = files.inspection / f"{stem}_{state}_components_{colour}.png"
    view = files.agent_view(agent, latest.epochs[0])
    plot_hidden_states(chosen, over_time, array=ARRAYS[state])
    plot_components(chosen, by_components, colour=colour, array=ARRAYS[state])
    animate_agent_view(latest, view)
    return [over_time, by_components, view]


def _recorded_file(files: RunFiles, agent: str) -> Path:
    """Return the file of an agent's states, or say why there is none."""
    path = files.recorded_states(agent)
    if path.is_file():
        return path
    models = _models_of_agents(files)
    recorded = sorted(each.stem for each in files.recorded.glob("*.npz"))
    if agent in models and not _has_states(models[agent]):
        raise ConfigError(f"agent {agent} is of model {models[agent]}, which has no hidden state")
    if not recorded:
        raise ConfigError(
            f"{files.directory} holds no recorded states; record them with record_states=true "
            "when you run it"
        )
    if agent in models:
        raise ConfigError(
            f"nothing was recorded of agent {agent}: it was not there in an epoch at the record "
            f"period. Recorded: {', '.join(recorded)}"
        )
    raise ConfigError(unknown_name("there is no recorded agent", agent, recorded))


def _has_states(model_name: str) -> bool:
    """Say whether a model has a recurrent state, as far as it is known here."""
    # Imports PyTorch, which what goes well does without.
    from sorrel_recurrent_ppo.registry import available_models, is_ppo_model, load_model_class

    return model_name not in available_models() or is_ppo_model(load_model_class(model_name))


def _models_of_agents(files: RunFiles) -> dict[str, str]:
    if not files.agents.is_file():
        return {}
    columns = read_columns(files.agents)
    return dict(zip(columns["agent"].tolist(), columns["model"].tolist(), strict=True))


def _epoch(asked: str | None, recorded: Sequence[int]) -> int:
    if asked is None:
        return recorded[-1]
    if not asked.isdecimal() or int(asked) not in recorded:
        listed = ", ".join(map(str, recorded))
        raise ConfigError(f"epoch {asked} was not recorded. Recorded: {listed}, or epoch=all")
    return int(asked)
