"""The models of agents: attaching one, and refusing one for several agents."""

from __future__ import annotations

from collections.abc import Sequence

from sorrel.agents import Agent
from sorrel.models import BaseModel

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.learning.rollout import copy_extra_keys
from sorrel_recurrent_ppo.registry import is_ppo_model

__all__ = ["agent_label", "attach_model", "refuse_missing_models", "refuse_shared_models"]


def agent_label(index: int, agent: Agent) -> str:
    """Return the name of an agent in messages, such as ``agent 0 (TreasurehuntAgent)``."""
    return f"agent {index} ({type(agent).__name__})"


def refuse_shared_models(agents: Sequence[Agent], models: Sequence[BaseModel]) -> None:
    """Refuse one recurrent model for several agents.

    Its recurrent state is of one agent's past, and its rollout one agent's episode. Sorrel's own
    models, which have neither, may be shared.

    Args:
        agents: The agents of a population.
        models: The model that each has or is to get.

    Raises:
        ConfigError: Two agents have the same model; the message names them.
    """
    owners: dict[int, int] = {}
    for index, model in enumerate(models):
        first = owners.setdefault(id(model), index)
        if first != index and is_ppo_model(model):
            raise ConfigError(
                f"{agent_label(first, agents[first])} and {agent_label(index, agents[index])} "
                f"share one {type(model).__name__}, which has one recurrent state and one "
                "rollout: give each agent a model of its own"
            )


def refuse_missing_models(agents: Sequence[Agent]) -> None:
    """Refuse agents without a model, which Sorrel resets before any other can be attached.

    Args:
        agents: The agents of an environment.

    Raises:
        ConfigError: ``agent.model`` is ``None``; the message names the first such agent.
    """
    for index, agent in enumerate(agents):
        if agent.model is None:
            raise ConfigError(
                f"{agent_label(index, agent)} has no model: agent.model is None; give it any model "
                "of Sorrel, such as RandomModel, which is replaced by the one that the config names"
            )


def attach_model(agent: Agent, index: int, model: BaseModel) -> None:
    """Replace an agent's model.

    The keys of the old model's ``memory.extra_data`` are copied, since the agent's ``add_memory``
    looks for them; their contents are not.
    """
    former_memory = agent.model.memory
    if is_ppo_model(model):
        model.agent_name = agent_label(index, agent)
        collecting = model.training
        for mode in (not collecting, collecting):  # evaluation fills a record of its own
            model.train(mode)
            copy_extra_keys(former_memory, model.memory)
    else:
        copy_extra_keys(former_memory, model.memory)
    agent.model = model
