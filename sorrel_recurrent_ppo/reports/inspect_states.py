"""The command ``sorrel-recurrent-ppo inspect``: plot the recorded hidden states of an agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.checks import check_choice
from sorrel_recurrent_ppo.support.command_settings import (
    CommandHelp,
    parse_run_and_settings,
    setting,
    wants_help,
)
from sorrel_recurrent_ppo.support.csv_blocks import read_blocks, to_text

__all__ = ["inspect_run", "main"]

ALL_EPOCHS = "all"
ARRAYS = {"hidden": "hidden_states", "cell": "cell_states"}

HELP = CommandHelp(
    "inspect",
    "RUN_DIR",
    "Plot an agent's hidden states: over time, by their principal components, and as a GIF beside\n"
    "its observations. The files are written to RUN_DIR/inspect, or to output=. The run must have\n"
    "been recorded with record_states=true.",
    examples=[
        "sorrel-recurrent-ppo inspect runs/treasurehunt/lstm_ppo/2026-01-31_12-00-00",
        "sorrel-recurrent-ppo inspect RUN_DIR agent=1 epoch=100 colour=value",
    ],
)


@dataclass
class _Settings:
    agent: str = setting("0", "name of the agent")
    epoch: str | None = setting(None, "a recorded epoch, or all; null: the latest")
    colour: str = setting(
        "reward",
        "colour of the components: reward, action, value, log_prob, turn, epoch or done",
    )
    state: str = setting("hidden", "hidden, or cell for the cell state of an LSTM")
    output: str | None = setting(None, "output directory; null: RUN_DIR/inspect")


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Args:
        arguments: The arguments after the command's name.

    Raises:
        ConfigError: The run, agent, epoch, colour or state does not exist or was not recorded.
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
        output=None if settings.output is None else Path(settings.output),
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
    output: Path | None = None,
) -> list[Path]:
    """Plot an agent's recorded states.

    Args:
        directory: The run's directory.
        agent: The agent's name.
        epoch: The number of a recorded epoch, ``"all"``, or ``None`` for the latest.
        colour: The variable that components are coloured by.
        state: ``"hidden"`` or ``"cell"``.
        output: The directory of the plots; ``None`` for ``inspect`` in the run's directory.

    Returns:
        The paths of the plots.

    Raises:
        ConfigError: The run, agent, epoch, colour or state does not exist or was not recorded.
    """
    # Matplotlib takes long to import: not for --help.
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
        raise ConfigError(
            f"state=cell: the model of agent {agent}, {states.subject.model}, has no cell state"
        )
    chosen = states if epoch == ALL_EPOCHS else states.of_epoch(_epoch(epoch, states.epochs))
    stem = f"agent{agent}_epoch{ALL_EPOCHS if epoch == ALL_EPOCHS else chosen.epochs[0]}"
    latest = states.of_epoch(chosen.epochs[-1])
    folder = files.inspection if output is None else output
    over_time = folder / f"{stem}_{state}_states.png"
    by_components = folder / f"{stem}_{state}_components_{colour}.png"
    view = folder / files.agent_view(agent, latest.epochs[0]).name
    plot_hidden_states(chosen, over_time, array=ARRAYS[state])
    plot_components(chosen, by_components, colour=colour, array=ARRAYS[state])
    animate_agent_view(latest, view)
    return [over_time, by_components, view]


def _recorded_file(files: RunFiles, agent: str) -> Path:
    """Return the file of an agent's recorded states.

    Raises:
        ConfigError: There is no such file.
    """
    path = files.recorded_states(agent)
    if path.is_file():
        return path
    models = _models_of_agents(files)
    recorded = sorted(each.stem for each in files.recorded.glob("*.npz"))
    if agent in models and not _has_states(models[agent]):
        raise ConfigError(f"the model of agent {agent}, {models[agent]}, has no hidden state")
    if not recorded:
        raise ConfigError(
            f"{files.directory} has no recorded states; run the training with record_states=true"
        )
    if agent in models:
        raise ConfigError(
            f"agent {agent} has no recorded states: it was not present in a recorded epoch. "
            f"Recorded agents: {', '.join(recorded)}"
        )
    raise ConfigError(unknown_name("there is no recorded agent", agent, recorded))


def _has_states(model_name: str) -> bool:
    """Return whether a model has a recurrent state; True for unknown models."""
    # Imports PyTorch, which is only needed for an error message.
    from sorrel_recurrent_ppo.registry import available_models, is_ppo_model, load_model_class

    return model_name not in available_models() or is_ppo_model(load_model_class(model_name))


def _models_of_agents(files: RunFiles) -> dict[str, str]:
    if not files.agents.is_file():
        return {}
    models: dict[str, str] = {}
    for block in read_blocks(files.agents, ["agent", "model"]):
        names, rows = np.unique(block["agent"], return_index=True)
        models |= dict(zip(to_text(names), to_text(block["model"][rows]), strict=True))
    return models


def _epoch(given: str | None, recorded: Sequence[int]) -> int:
    if given is None:
        return recorded[-1]
    if not given.isdecimal() or int(given) not in recorded:
        listed = ", ".join(map(str, recorded))
        raise ConfigError(f"epoch {given} was not recorded. Valid: {listed}, all")
    return int(given)
