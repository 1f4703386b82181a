"""Saved agents of runs: choosing them, and loading them into an environment."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from sorrel.agents import Agent

from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError, unknown_name
from sorrel_recurrent_ppo.models.checkpoint import read_checkpoint
from sorrel_recurrent_ppo.policy.observations import picture_shape
from sorrel_recurrent_ppo.population.admission import load_checkpoint
from sorrel_recurrent_ppo.population.agent_models import agent_label
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.population.model_choice import model_section
from sorrel_recurrent_ppo.registry import (
    available_models,
    find_name,
    is_ppo_model,
    load_model_class,
    packaged_defaults,
)
from sorrel_recurrent_ppo.replacement.newcomers import (
    Newcomer,
    ReplacedAgent,
    build_newcomer,
    parameters_of,
)
from sorrel_recurrent_ppo.reports.saved_runs import AgentSummary, SavedRun

__all__ = ["SavedAgent", "choose_agents", "load_saved_agent"]


@dataclass(frozen=True)
class SavedAgent:
    """A saved agent of a run.

    Attributes:
        run: The run.
        agent: The agent.
        epoch: The epoch of a checkpoint that was kept; ``None`` for the latest.
    """

    run: SavedRun
    agent: AgentSummary
    epoch: int | None = None

    @property
    def checkpoint(self) -> Path:
        """The path of its checkpoint."""
        if self.epoch is None:
            return self.run.files.checkpoint(self.agent.name)
        return self.run.files.kept_checkpoint(self.agent.name, self.epoch)

    @property
    def n_epochs(self) -> int:
        """The number of epochs in which it was present, up to the checkpoint's."""
        if self.epoch is None:
            return self.agent.n_epochs
        return self.agent.n_epochs - max(0, self.agent.last_epoch - self.epoch)

    def __str__(self) -> str:
        epoch = "" if self.epoch is None else f"@{self.epoch}"
        return f"{self.run.directory}:{self.agent.name}{epoch}"


def choose_agents(
    run: SavedRun, substitutes: Mapping[str, str], *, epoch: int | None = None
) -> list[SavedAgent]:
    """Return the agent for each index: that of the run's last epoch, or its substitute.

    Args:
        run: The run whose environment is used.
        substitutes: By index, ``RUN_DIR:NAME`` for an agent of another run or ``:NAME`` for one
            of the same run; with ``@EPOCH`` for its checkpoint that was kept for an epoch.
        epoch: Take the agents of this epoch, with the checkpoints that were kept for it.

    Raises:
        ConfigError: An index, run, agent or kept checkpoint does not exist.
    """
    latest = {
        agent.index: SavedAgent(run, agent, epoch)
        for agent in (run.last_agents if epoch is None else _agents_of(run, epoch))
    }
    indices = [str(index) for index in sorted(latest)]
    if not indices:
        raise ConfigError(f"{run.directory} has no saved agents")
    for index, text in substitutes.items():
        if index not in indices:
            what = f"agents.{index}: {run.directory} has no agent with index"
            raise ConfigError(unknown_name(what, index, indices))
        latest[int(index)] = _find_agent(run, f"agents.{index}={text}", text)
    return [latest[index] for index in sorted(latest)]


def _find_agent(own_run: SavedRun, argument: str, text: str) -> SavedAgent:
    directory, colon, name = text.rpartition(":")
    if not colon or not name:
        raise ConfigError(f"{argument}: expected RUN_DIR:NAME, or :NAME for an agent of this run")
    run = SavedRun(Path(directory)) if directory else own_run
    if not run.directory.is_dir():
        raise ConfigError(f"{argument}: {directory} is not a directory")
    agents = {agent.name: agent for agent in run.agents}
    name, _, epoch = name.partition("@")
    if name not in agents:
        raise ConfigError(unknown_name(f"{argument}: {run.directory} has no agent", name, agents))
    if not epoch:
        return SavedAgent(run, agents[name])
    kept = run.files.kept_checkpoints()
    own = [str(e) for e in sorted(kept) if run.files.kept_checkpoint(name, e) in kept[e]]
    if epoch not in own:
        what = f"{argument}: no checkpoint of agent {name} was kept for epoch"
        raise ConfigError(unknown_name(what, epoch, own))
    return SavedAgent(run, agents[name], int(epoch))


def _agents_of(run: SavedRun, epoch: int) -> list[AgentSummary]:
    """Return the agents of an epoch whose checkpoints were kept.

    Raises:
        ConfigError: None were kept for this epoch.
    """
    kept = run.files.kept_checkpoints()
    if epoch not in kept:
        what = f"checkpoint={epoch}: {run.directory} has kept no checkpoints of epoch"
        raise ConfigError(unknown_name(what, str(epoch), sorted(kept)))
    return [a for a in run.agents if run.files.kept_checkpoint(a.name, epoch) in kept[epoch]]


def load_saved_agent(
    population: Population,
    index: int,
    saved: SavedAgent,
    *,
    seed: int,
    device: str | None,
) -> float:
    """Replace the model of an agent by a saved one, built with the settings of its training.

    Args:
        population: The population of the environment.
        index: The index of the agent.
        saved: The saved agent.
        seed: The seed of the model's random choices.
        device: The device of the model; ``None`` for the one it was trained on.

    Returns:
        The epsilon of the model's last epoch; 0.0 for models without epsilon-greedy exploration.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or does not fit the environment.
        ConfigError: The model cannot be built.
    """
    path, name = saved.checkpoint, saved.agent.model_name
    agent = population.members[index].agent
    if not path.is_file():
        raise _load_error(saved, agent, index, f"{path} does not exist")
    if name not in available_models():
        _load_own_model(agent, index, saved, seed=seed)
        return _final_epsilon(saved, {"epsilon": getattr(agent.model, "epsilon", 0.0)})
    is_ppo = is_ppo_model(load_model_class(name))
    parameters = _ppo_settings(agent, index, saved) if is_ppo else _sorrel_parameters(agent, saved)
    if device is not None:
        parameters["device"] = device
    newcomer = _build(agent, index, saved, parameters, seed)
    population.replace_model(index, newcomer.model, model_name=name, seed=seed)
    return 0.0 if is_ppo else _final_epsilon(saved, parameters)


def _load_own_model(agent: Agent, index: int, saved: SavedAgent, *, seed: int) -> None:
    """Load a saved model that has no name in the registry into the environment's own."""
    found, name = type(agent.model).__name__, saved.agent.model_name
    if found != name:
        raise _load_error(
            saved, agent, index, f"expected a model of class {name}, which the environment builds"
        )
    load_checkpoint(agent.model, str(saved.checkpoint), agent_label(index, agent), seed=seed)


def _load_error(saved: SavedAgent, agent: Agent, index: int, reason: str) -> CheckpointError:
    label = agent_label(index, agent)
    return CheckpointError(f"{saved} cannot be loaded as {label}: {reason}")


def _build(
    agent: Agent, index: int, saved: SavedAgent, parameters: Mapping[str, Any], seed: int
) -> Newcomer:
    try:
        return build_newcomer(
            ReplacedAgent(
                *(agent, index, saved.run.config, saved.agent.model_name),
                kind=saved.agent.kind or None,
            ),
            model_name=saved.agent.model_name,
            parameters=parameters,
            checkpoint=str(saved.checkpoint),
            seed=seed,
        )
    except CheckpointError as error:
        # PyTorch lists every weight that does not fit: report the first.
        lines = str(error).splitlines()
        reason = next((line.strip() for line in lines if "size mismatch" in line), lines[0])
        raise _load_error(saved, agent, index, reason) from error


def _ppo_settings(agent: Agent, index: int, saved: SavedAgent) -> dict[str, Any]:
    """Return the settings in a recurrent PPO's checkpoint, after checking that it fits the agent.

    Raises:
        CheckpointError: The checkpoint is damaged or does not fit.
    """
    content = read_checkpoint(saved.checkpoint)
    identity = content["identity"]
    trained = (
        f"{math.prod(identity['input_size'])} values and {math.prod(identity['action_dims'])} "
        "actions"
    )
    input_size = agent.model.input_size
    n_values = math.prod(input_size) if isinstance(input_size, Sequence) else int(input_size)
    found = f"{n_values} values and {agent.model.action_space} actions"
    if trained != found:
        reason = f"expected observations of {trained} (from the checkpoint), found {found}"
        raise _load_error(saved, agent, index, reason)
    trained_picture = tuple(identity["picture"] or ())
    picture = tuple(picture_shape(agent.observation_spec) or ())
    if trained_picture and picture and trained_picture != picture:
        reason = f"expected a picture of {trained_picture} (from the checkpoint), found {picture}"
        raise _load_error(saved, agent, index, reason)
    settings = json.loads(content["settings"])
    # The environment may have built the model without its observation spec, hence without picture.
    return settings if trained_picture else {**settings, "obs_type": "flattened"}


def _sorrel_parameters(agent: Agent, saved: SavedAgent) -> dict[str, Any]:
    """Return the parameters of one of Sorrel's models, whose checkpoints hold only weights.

    Those of the model that the environment has built for the agent, if it is of the same class:
    the environment may have built it with other sizes than the config's.
    """
    name = saved.agent.model_name
    section = model_section(saved.run.config, name, saved.agent.kind or None)
    parameters = {**packaged_defaults(name), **section}
    if find_name(type(agent.model)) == name:
        parameters |= parameters_of(agent.model, name)
        parameters["epsilon"] = getattr(agent.model, "epsilon", 0.0)
    for key in ("checkpoint", "learns", "seed"):
        parameters.pop(key, None)
    return parameters


def _final_epsilon(saved: SavedAgent, parameters: Mapping[str, Any]) -> float:
    """Return the epsilon of an agent's last epoch, from the decay in Sorrel's runner."""
    decay = OmegaConf.select(saved.run.config, "model.epsilon_decay") or 0.0
    earlier_epochs = max(0, saved.n_epochs - 1)
    return float(parameters.get("epsilon", 0.0)) * (1.0 - float(decay)) ** earlier_epochs
