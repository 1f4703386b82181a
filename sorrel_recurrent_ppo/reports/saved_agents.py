"""The agents that runs have saved: who plays in which place, and their models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from sorrel.environment import Environment

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, unknown_name
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint
from sorrel_recurrent_ppo.policy.observations import picture_shape
from sorrel_recurrent_ppo.population.members import Population, agent_label
from sorrel_recurrent_ppo.population.model_choice import model_section
from sorrel_recurrent_ppo.registry import is_ppo_model, load_model_class, packaged_defaults
from sorrel_recurrent_ppo.replacement.newcomers import Newcomer, build_newcomer
from sorrel_recurrent_ppo.reports.saved_runs import LastAgent, SavedRun

__all__ = ["SavedAgent", "choose_agents", "seat_agent"]


@dataclass(frozen=True)
class SavedAgent:
    """An agent that a run has saved.

    Attributes:
        run: The run.
        agent: The agent, as the run left it.
    """

    run: SavedRun
    agent: LastAgent

    @property
    def checkpoint(self) -> Path:
        """Its file."""
        return self.run.files.checkpoint(self.agent.name)

    def __str__(self) -> str:
        return f"{self.run.directory}:{self.agent.name}"


def choose_agents(run: SavedRun, given: Mapping[str, str]) -> list[SavedAgent]:
    """Return who plays in each place: the run's latest agents there, or who is given.

    Args:
        run: The run whose environment is played.
        given: By place, ``RUN_DIR:NAME`` of another run's agent; ``:NAME`` is one of this run's.

    Raises:
        ConfigError: There is no such place, run or agent.
    """
    latest = {agent.index: SavedAgent(run, agent) for agent in run.agents}  # newcomers come later
    places = [str(place) for place in sorted(latest)]
    if not places:
        raise ConfigError(f"{run.directory} has no saved agents")
    for place, text in given.items():
        if place not in places:
            raise ConfigError(
                f"agents.{place}: there is no such place; those of {run.directory} are "
                f"{', '.join(places)}"
            )
        latest[int(place)] = _find_agent(run, f"agents.{place}={text}", text)
    return [latest[place] for place in sorted(latest)]


def _find_agent(own_run: SavedRun, label: str, text: str) -> SavedAgent:
    directory, colon, name = text.rpartition(":")
    if not colon or not name:
        raise ConfigError(f"{label} must be RUN_DIR:NAME, with the agent's lasting name")
    run = SavedRun(Path(directory)) if directory else own_run
    if not run.directory.is_dir():
        raise ConfigError(f"{label}: {directory} is not a directory")
    agents = {agent.name: agent for agent in run.agents}
    if name not in agents:
        raise ConfigError(unknown_name(f"{label}: {run.directory} has no agent", name, agents))
    return SavedAgent(run, agents[name])


def seat_agent(
    env: Environment,
    population: Population,
    index: int,
    saved: SavedAgent,
    *,
    seed: int,
    device: str | None,
) -> float:
    """Give a place of an environment to a saved agent, with the settings it was trained with.

    Args:
        env: The environment.
        population: Its population.
        index: The place.
        saved: Who is to play there.
        seed: Of its random choices.
        device: Where it computes; ``None`` for where it was trained.

    Returns:
        The epsilon with which it last explored; 0.0 for models that explore otherwise.

    Raises:
        CheckpointError: The file is missing, damaged, or does not fit the place.
        ConfigError: Its model cannot be built here.
    """
    path, name = saved.checkpoint, saved.agent.model_name
    place = agent_label(index, env.agents[index])
    if not path.is_file():
        raise CheckpointError(f"{saved} cannot play as {place}: {path} does not exist")
    ours = is_ppo_model(load_model_class(name))
    parameters = _settings_in(env, index, saved) if ours else _settings_of(saved)
    if device is not None:
        parameters["device"] = device
    newcomer = _build(env, index, saved, parameters, seed)
    population.replace_model(index, newcomer.model, model_name=name, seed=seed)
    return 0.0 if ours else _final_epsilon(saved, parameters)


def _build(
    env: Environment, index: int, saved: SavedAgent, parameters: Mapping[str, Any], seed: int
) -> Newcomer:
    try:
        return build_newcomer(
            env,
            index,
            former_name=saved.agent.model_name,
            model_name=saved.agent.model_name,
            parameters=parameters,
            checkpoint=str(saved.checkpoint),
            seed=seed,
        )
    except CheckpointError as error:
        # PyTorch lists every weight that does not fit.
        lines = str(error).splitlines()
        told = next((line.strip() for line in lines if "size mismatch" in line), lines[0])
        raise CheckpointError(
            f"{saved} cannot play as {agent_label(index, env.agents[index])}: {told}"
        ) from error


def _settings_in(env: Environment, index: int, saved: SavedAgent) -> dict[str, Any]:
    """Read the settings of a recurrent PPO from its file, and see whether it fits the place."""
    content = read_checkpoint(saved.checkpoint)
    identity, agent = content["identity"], env.agents[index]
    picture = tuple(picture_shape(agent.observation_spec) or ())
    trained = (
        f"{math.prod(identity['input_size'])} values and {math.prod(identity['action_dims'])} "
        "actions"
    )
    input_size = agent.model.input_size
    n_values = math.prod(input_size) if isinstance(input_size, Sequence) else int(input_size)
    here = f"{n_values} values and {agent.model.action_space} actions"
    if trained != here:
        raise CheckpointError(
            f"{saved} cannot play as {agent_label(index, agent)}: it was trained on observations "
            f"of {trained}, and here there are {here}"
        )
    if identity["picture"] and picture and tuple(identity["picture"]) != picture:
        raise CheckpointError(
            f"{saved} cannot play as {agent_label(index, agent)}: the picture that it sees is "
            f"{tuple(identity['picture'])}, and here it is {picture}"
        )
    return json.loads(content["settings"])


def _settings_of(saved: SavedAgent) -> dict[str, Any]:
    """Return the parameters of a model of Sorrel's, whose file holds weights alone."""
    name = saved.agent.model_name
    return {**packaged_defaults(name), **model_section(saved.run.config, name)}


def _final_epsilon(saved: SavedAgent, parameters: Mapping[str, Any]) -> float:
    """Return the epsilon of an agent's last epoch, by the decay of Sorrel's runner."""
    decay = OmegaConf.select(saved.run.config, "model.epsilon_decay") or 0.0
    earlier_epochs = max(0, saved.agent.n_epochs - 1)
    return float(parameters.get("epsilon", 0.0)) * (1.0 - float(decay)) ** earlier_epochs
