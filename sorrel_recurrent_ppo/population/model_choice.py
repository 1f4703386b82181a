"""Which model each agent of an environment gets, and with what parameters: read from a config.

A model is named by ``model`` itself, by ``model.type`` or ``model.model_type``, or by
``agent.<kind>.model``; each may be a list with one name per agent. What other software means by
these keys is left in peace, by three rules:

- A name that the registry does not know is an error where it is close to one that it knows, where
  it stands beside one, or where the spelling is ours alone (``model`` itself). Any other is the
  environment's own affair: a line in the log says so, and nothing is changed.
- An agent that already has exactly the model that is named keeps it, seed and all, as in Sorrel's
  cleanup with its own ``agent.agent.model: iqn``. It is built anew where the config plainly asks:
  by ``model`` itself, by a list, or by ``model.type`` beside a section ``model.<name>``.
- A name for what the environment has built anyway yields to another, so that ``model.type`` alone
  changes Sorrel's cleanup. Two names that contradict each other are otherwise an error.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.registry import packaged_defaults

__all__ = [
    "AgentFacts",
    "Choice",
    "ModelRequest",
    "assign_models",
    "misplaced_keys",
    "model_section",
    "read_requests",
]

_log = logging.getLogger(__name__)

_TYPO_CUTOFF = 0.7


@dataclass(frozen=True)
class ModelRequest:
    """One place in a config that names a model or a list of them.

    Attributes:
        key: The config key, such as ``"agent.agent.model"``.
        names: The registry names.
        is_list: One name per agent, rather than one for all.
        force_rebuild: The model is to be built even where the environment has built one like it.
        kind: The kind of agents it speaks of; ``None`` for all.
    """

    key: str
    names: tuple[str, ...]
    is_list: bool
    force_rebuild: bool
    kind: str | None = None

    def name_for(self, place: int) -> str:
        """Return the name for the agent at a place among those that it speaks of."""
        return self.names[place] if self.is_list else self.names[0]


@dataclass(frozen=True)
class AgentFacts:
    """What the choice needs to know of an agent.

    Attributes:
        class_name: The name of its class.
        kind: Its ``kind``, Sorrel's name for what it looks like to others.
        own_model: Registry name of the model that the environment gave it, if it has one.
    """

    class_name: str
    kind: str
    own_model: str | None


@dataclass(frozen=True)
class Choice:
    """The model of one agent.

    Attributes:
        name: Its registry name.
        key: The config key that named it.
        build: Whether it is to be built; else the agent keeps the one it has.
    """

    name: str
    key: str
    build: bool


def read_requests(config: DictConfig, available: Collection[str]) -> list[ModelRequest]:
    """Collect what a config says about its agents' models.

    Args:
        config: The environment's whole config.
        available: The registry's names.

    Raises:
        ConfigError: A name is unknown, as the module's rules say.
    """
    found = [*_requests_for_all(config), *_requests_by_kind(config)]
    return [request for request in found if _is_recognised(request, available)]


def _requests_for_all(config: DictConfig) -> list[ModelRequest]:
    model = OmegaConf.select(config, "model")
    if not isinstance(model, DictConfig):
        return _request("model", model, force_rebuild=True)
    return [
        request
        for key in ("type", "model_type")
        for value in [OmegaConf.select(model, key)]
        for request in _request(
            f"model.{key}", value, force_rebuild=isinstance(value, str) and value in model
        )
    ]


def _requests_by_kind(config: DictConfig) -> list[ModelRequest]:
    return [
        request
        for kind, section in _kinds(config).items()
        for request in _request(
            f"agent.{kind}.model", OmegaConf.select(section, "model"), kind=kind
        )
    ]


def _kinds(config: DictConfig) -> dict[str, DictConfig]:
    agent = OmegaConf.select(config, "agent")
    if not isinstance(agent, DictConfig):
        return {}
    sections = {str(kind): OmegaConf.select(agent, str(kind)) for kind in agent}
    return {kind: s for kind, s in sections.items() if isinstance(s, DictConfig)}


def _request(
    key: str, value: Any, *, force_rebuild: bool = False, kind: str | None = None
) -> list[ModelRequest]:
    """Return the request that a value makes, if it is a name or a list of names."""
    is_list = isinstance(value, ListConfig)
    names = tuple(value) if isinstance(value, ListConfig) else (value,)
    if not names or not all(isinstance(name, str) for name in names):
        return []
    return [ModelRequest(key, names, is_list, force_rebuild or is_list, kind)]


def _is_recognised(request: ModelRequest, available: Collection[str]) -> bool:
    """Say whether a request speaks of the registry's models, by the first of the rules."""
    unknown = [name for name in request.names if name not in available]
    if not unknown:
        return True
    near = difflib.get_close_matches(unknown[0].lower(), available, n=1, cutoff=_TYPO_CUTOFF)
    if near or request.key == "model" or len(unknown) < len(request.names):
        raise ConfigError(
            unknown_name(f"{request.key}: there is no model named", unknown[0], sorted(available))
            + ". If this key does not mean the agents' model, set SORREL_RECURRENT_PPO=off or call "
            "sorrel_recurrent_ppo.uninstall()"
        )
    _log.warning(
        "%s: '%s' is not in the registry; the environment's own models stay",
        request.key,
        unknown[0],
    )
    return False


def assign_models(
    config: DictConfig, requests: Sequence[ModelRequest], agents: Sequence[AgentFacts]
) -> list[Choice | None]:
    """Give each agent the model that the config names for it.

    Args:
        config: The environment's whole config.
        requests: What it says, by `read_requests`.
        agents: The environment's agents, in its order.

    Returns:
        One choice per agent; ``None`` where nothing speaks of it.

    Raises:
        ConfigError: A list has the wrong length, two requests contradict each other, or it
            cannot be decided which agents are of a kind.
    """
    choices: list[Choice | None] = [None] * len(agents)
    for request in requests:
        places = list(range(len(agents)))
        if request.kind is not None:
            places = _places_of_kind(config, requests, request.kind, agents)
        _check_length(request, len(places))
        for i, place in enumerate(places):
            name = request.name_for(i)
            build = request.force_rebuild or name != agents[place].own_model
            choice = Choice(name, request.key, build)
            choices[place] = _merged(choices[place], choice, place)
    return choices


def _check_length(request: ModelRequest, n_agents: int) -> None:
    if request.is_list and len(request.names) != n_agents:
        whose = f"agents of kind '{request.kind}'" if request.kind else "agents"
        raise ConfigError(
            f"{request.key} lists {len(request.names)} models ({', '.join(request.names)}), "
            f"but there are {n_agents} {whose}; give one name for all or one for each"
        )


def _merged(earlier: Choice | None, later: Choice, place: int) -> Choice:
    """Return the choice of two requests about one agent, by the third of the rules."""
    if earlier is None:
        return later
    if earlier.name == later.name or not (earlier.build and later.build):
        return earlier if earlier.build else later
    raise ConfigError(
        f"agent {place} is given two models: {earlier.key}={earlier.name} and "
        f"{later.key}={later.name}; keep one of them"
    )


def _places_of_kind(
    config: DictConfig,
    requests: Sequence[ModelRequest],
    kind: str,
    agents: Sequence[AgentFacts],
) -> list[int]:
    """Find the agents of a kind: by their class or ``kind``, as the only kind, or by ``num``."""
    kinds = _kinds(config)
    by_name = {k: [i for i, a in enumerate(agents) if _is_called(k, a)] for k in kinds}
    named = {request.kind for request in requests if request.kind is not None}
    if all(by_name[k] for k in named):
        return by_name[kind]
    numbers = {k: _number(section) for k, section in kinds.items()}
    groups = [k for k in kinds if "model" in kinds[k] or numbers[k] is not None]
    if groups == [kind]:
        return list(range(len(agents)))
    counts = [numbers[k] or 0 for k in groups]
    if all(numbers[k] is not None for k in groups) and sum(counts) == len(agents):
        first = sum(counts[: groups.index(kind)])
        return list(range(first, first + counts[groups.index(kind)]))
    classes = ", ".join(dict.fromkeys(agent.class_name for agent in agents))
    raise ConfigError(
        f"agent.{kind}.model: cannot tell which of the {len(agents)} agents ({classes}) are of "
        f"kind '{kind}'. Name the kinds after the agents' classes, give each agent.<kind>.num so "
        "that they add up, or name the models in one list, model.type=[...]"
    )


def _is_called(kind: str, agent: AgentFacts) -> bool:
    names = {_plain(agent.class_name), _plain(agent.kind)} - {""}
    return _plain(kind) in names


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower().removesuffix("agent")


def _number(section: DictConfig) -> int | None:
    number = OmegaConf.select(section, "num")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def model_section(config: DictConfig, name: str) -> dict[str, Any]:
    """Return the parameters that a config gives for a model, in ``model.<name>``.

    They may stand in the section itself or in its ``parameters``. Where Hydra has merged the
    packaged defaults into a section of an environment, both do: then ``parameters`` weighs more
    than what is only the packaged default.

    Args:
        config: The environment's whole config.
        name: The model's registry name.

    Raises:
        ConfigError: ``model.<name>`` or its ``parameters`` is not a section.
    """
    model = OmegaConf.select(config, "model")
    if not isinstance(model, DictConfig):
        return {}
    section = _container(OmegaConf.select(model, name), f"model.{name}")
    inner = _container(section.pop("parameters", None), f"model.{name}.parameters")
    section.pop("type", None)
    defaults = packaged_defaults(name)
    own = {key: v for key, v in section.items() if key not in defaults or v != defaults[key]}
    return {**section, **inner, **own}


def misplaced_keys(config: DictConfig, parameters: Collection[str]) -> list[str]:
    """Return the keys right under ``model`` that look like parameters of a model.

    They do not reach it, for these belong to the environment.

    Args:
        config: The environment's whole config.
        parameters: What the model takes.
    """
    model = OmegaConf.select(config, "model")
    if not isinstance(model, DictConfig):
        return []
    return [str(key) for key in model if key in parameters]


def _container(value: Any, key: str) -> dict[str, Any]:
    if isinstance(value, DictConfig):
        value = OmegaConf.to_container(value, resolve=True)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{key} must be a section of parameters, not {value!r}")
    return {str(k): v for k, v in value.items()}
