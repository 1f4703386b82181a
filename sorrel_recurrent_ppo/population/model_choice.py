"""Which model each agent of a population gets, and with what parameters, as a config says.

A config names a model for all agents by ``model`` itself, ``model.type`` or ``model.model_type``,
and for a kind of agents by ``agent.<kind>.model``; each may be a list with one name per agent.
Other software may use these keys for something else, so:

- A name that the registry does not have is an error if it is close to a name that it has, if it
  stands in a list beside one, or if the key is ``model`` itself, which only this package reads. Any
  other is left to the environment, with a line in the log.
- An agent that has exactly the model that is named already keeps it, with its seed, as in Sorrel's
  cleanup with its own ``agent.agent.model: iqn``. It is built again where the config clearly asks
  for it: by ``model`` itself, by a list, or by a name beside a section with the parameters of that
  model, ``model.<name>`` or ``agent.<kind>.<name>``.
- The model of a kind takes precedence over the model of all. The exception is a kind that covers
  every agent and names the model that the environment has built anyway: it yields, so that
  ``model.type`` alone changes Sorrel's cleanup.
- Two keys for all agents that contradict each other are an error.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError, did_you_mean, unknown_name
from sorrel_recurrent_ppo.population.research_names import research_hint
from sorrel_recurrent_ppo.registry import packaged_defaults
from sorrel_recurrent_ppo.support.log_once import log_once
from sorrel_recurrent_ppo.support.wording import counted

__all__ = [
    "AgentFacts",
    "Choice",
    "ModelRequest",
    "assign_models",
    "check_lists",
    "kind_of",
    "misplaced_keys",
    "model_section",
    "model_sections",
    "read_requests",
]

_log = logging.getLogger(__name__)

_TYPO_CUTOFF = 0.7


@dataclass(frozen=True)
class ModelRequest:
    """One key of a config that names a model or a list of models.

    Attributes:
        key: The config key, such as ``"agent.agent.model"``.
        names: The registry names.
        is_list: One name per agent, rather than one for all.
        force_rebuild: Build the model even where the environment has built one like it.
        kind: The kind of agents that it is for; ``None`` for all.
    """

    key: str
    names: tuple[str, ...]
    is_list: bool
    force_rebuild: bool
    kind: str | None = None

    def name_for(self, position: int) -> str:
        """Return the name for the agent at a position among those that the request is for.

        Agents beyond the end of a list, which were inserted during a run, get its last name.
        """
        return self.names[min(position, len(self.names) - 1)] if self.is_list else self.names[0]


@dataclass(frozen=True)
class AgentFacts:
    """What the choice of a model depends on.

    Attributes:
        class_name: The name of the agent's class.
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
        build: Whether to build it; else the agent keeps the one it has.
        kind: The kind of agents that the key, or a section of parameters, is for; ``None`` for all.
        kind_index: The agent's position among the agents of that kind.
    """

    name: str
    key: str
    build: bool
    kind: str | None = None
    kind_index: int = 0


def read_requests(config: DictConfig, available: Collection[str]) -> list[ModelRequest]:
    """Return all that a config says about its agents' models.

    Args:
        config: The environment's whole config.
        available: The registry's names.

    Raises:
        ConfigError: A name is unknown, by the first rule of the module, or a mandatory value
            (``???``) is missing.
    """
    found = [*_requests_for_all(config), *_requests_by_kind(config)]
    return [request for request in found if _is_recognised(request, available)]


def _requests_for_all(config: DictConfig) -> list[ModelRequest]:
    model = OmegaConf.select(config, "model")
    if not isinstance(model, DictConfig):
        return _request("model", model, force_rebuild=True)
    requests: list[ModelRequest] = []
    for key in ("type", "model_type"):
        if OmegaConf.is_missing(model, key):
            raise ConfigError(
                f"model.{key} is mandatory (???) and not set; set it to a model's name"
            )
        value = OmegaConf.select(model, key)
        has_section = isinstance(value, str) and value in model
        requests += _request(f"model.{key}", value, force_rebuild=has_section)
    return requests


def _requests_by_kind(config: DictConfig) -> list[ModelRequest]:
    requests: list[ModelRequest] = []
    for kind, section in _kinds(config).items():
        value = OmegaConf.select(section, "model")
        has_section = isinstance(value, str) and value in section
        requests += _request(f"agent.{kind}.model", value, force_rebuild=has_section, kind=kind)
    return requests


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
    """Return whether a request is for models of the registry, by the first rule of the module."""
    unknown = [name for name in request.names if name not in available]
    if not unknown:
        return True
    hint = research_hint(unknown[0])
    name = unknown[0].lower()
    near = difflib.get_close_matches(name, available, n=1, cutoff=_TYPO_CUTOFF)
    near += [other for other in available if other.partition("_")[0] == name]  # "gru"
    if request.key == "model" or len(unknown) < len(request.names) or (near and not hint):
        raise ConfigError(
            unknown_name(f"{request.key}: there is no model named", unknown[0], sorted(available))
            + f"{hint}. If this key does not mean the agents' model, set SORREL_RECURRENT_PPO=off "
            "or call sorrel_recurrent_ppo.uninstall()"
        )
    log_once(
        _log,
        logging.WARNING,
        f"{request.key}: '{unknown[0]}' is not in the registry, so the key gives no agent a model"
        f"{hint}",
    )
    return False


def assign_models(
    config: DictConfig, requests: Sequence[ModelRequest], agents: Sequence[AgentFacts]
) -> list[Choice | None]:
    """Return the model that the config names for each agent.

    Args:
        config: The environment's whole config.
        requests: What it says, by `read_requests`.
        agents: The population's agents by index.

    Returns:
        One choice per agent; ``None`` where nothing names one.

    Raises:
        ConfigError: A list is too short, two requests contradict each other, or it cannot be
            decided which agents are of a kind.
    """
    for_all: list[Choice | None] = [None] * len(agents)
    by_kind: list[Choice | None] = [None] * len(agents)
    for request in requests:
        indices = list(range(len(agents)))
        if request.kind is not None:
            indices = _indices_of_kind(config, requests, request.kind, agents)
        chosen = for_all if request.kind is None else by_kind
        for position, index in enumerate(indices):
            name = request.name_for(position)
            build = request.force_rebuild or name != agents[index].own_model
            choice = Choice(name, request.key, build, request.kind, position)
            chosen[index] = _merge(chosen[index], choice, index)
    covers_all = len({choice.kind if choice else None for choice in by_kind}) == 1
    choices = [
        _by_precedence(common, special, covers_all=covers_all)
        for common, special in zip(for_all, by_kind, strict=True)
    ]
    _note_kinds_with_parameters(config, requests, agents, choices)
    return choices


def _note_kinds_with_parameters(
    config: DictConfig,
    requests: Sequence[ModelRequest],
    agents: Sequence[AgentFacts],
    choices: list[Choice | None],
) -> None:
    """Note the kind in the choices for all whose model has parameters for that kind."""
    names = {choice.name for choice in choices if choice is not None and choice.kind is None}
    for kind, section in _kinds(config).items():
        if not any(isinstance(section.get(name), DictConfig) for name in names):
            continue
        for position, index in enumerate(_indices_of_kind(config, requests, kind, agents)):
            choice = choices[index]
            if choice is not None and choice.kind is None:
                choices[index] = replace(choice, kind=kind, kind_index=position)


def _by_precedence(
    common: Choice | None, special: Choice | None, *, covers_all: bool
) -> Choice | None:
    """Return the choice for an agent of what is said of all and of its kind (third rule)."""
    if special is None or common is None:
        return special or common
    yields = covers_all and not special.build
    return common if yields else special


def _merge(earlier: Choice | None, later: Choice, index: int) -> Choice:
    """Return the choice of two requests of one scope about one agent, by the fourth rule."""
    if earlier is None:
        return later
    if earlier.name == later.name or not (earlier.build and later.build):
        return earlier if earlier.build else later
    raise ConfigError(
        f"agent {index} is given two models: {earlier.key}={earlier.name} and "
        f"{later.key}={later.name}; keep one of them"
    )


def check_lists(
    config: DictConfig,
    requests: Sequence[ModelRequest],
    agents: Sequence[AgentFacts],
    *,
    complete: bool,
) -> None:
    """Raise ConfigError unless each list has as many names as there are agents that it is for.

    Args:
        config: The environment's whole config.
        requests: What it says, by `read_requests`.
        agents: The population's agents by index.
        complete: Whether the population is complete. Until then, lists may be longer: with
            several environments built one after the other, a list is for the agents of all.
    """
    for request in requests:
        if not request.is_list:
            continue
        n_agents = len(agents)
        if request.kind is not None:
            n_agents = len(_indices_of_kind(config, requests, request.kind, agents))
        if len(request.names) < n_agents or (complete and len(request.names) != n_agents):
            raise _wrong_length(request, n_agents)


def _wrong_length(request: ModelRequest, n_agents: int) -> ConfigError:
    kind = f" of kind '{request.kind}'" if request.kind else ""
    return ConfigError(
        f"{request.key} lists {counted(len(request.names), 'model')} ({', '.join(request.names)}), "
        f"but the number of agents{kind} is {n_agents}; give one name for all or one for each"
    )


def kind_of(config: DictConfig, agents: Sequence[AgentFacts], index: int) -> str:
    """Return an agent's kind as the config calls it, else Sorrel's name of its class."""
    for kind in _kinds(config):
        if _is_called(kind, agents[index]):
            return kind
    return agents[index].kind or agents[index].class_name


def _indices_of_kind(
    config: DictConfig,
    requests: Sequence[ModelRequest],
    kind: str,
    agents: Sequence[AgentFacts],
) -> list[int]:
    """Find the agents of a kind: by their class or ``kind``, as the only kind, or by ``num``."""
    kinds = _kinds(config)
    by_name = {k: [i for i, a in enumerate(agents) if _is_called(k, a)] for k in kinds}
    named = {request.kind for request in requests if request.kind is not None} | {kind}
    if all(by_name[k] for k in named):
        return by_name[kind]
    numbers = {k: _number(section) for k, section in kinds.items()}
    groups = [k for k in kinds if "model" in kinds[k] or numbers[k] is not None]
    classes = list(dict.fromkeys(agent.class_name for agent in agents))
    unknown = kind if not by_name[kind] else min(k for k in named if not by_name[k])
    hint = did_you_mean(unknown, [name.removesuffix("Agent").lower() for name in classes])
    is_misspelt = bool(hint) and len(classes) > 1
    if groups == [kind] and numbers[kind] in (None, len(agents)) and not is_misspelt:
        return list(range(len(agents)))
    counts = [numbers[k] or 0 for k in groups]
    if all(numbers[k] is not None for k in groups) and sum(counts) == len(agents):
        first = sum(counts[: groups.index(kind)])
        return list(range(first, first + counts[groups.index(kind)]))
    raise ConfigError(
        f"agent.{unknown}.model: cannot tell which of the {len(agents)} agents "
        f"({', '.join(classes)}) are of kind '{unknown}'.{hint} Name the kinds after the agents' "
        "classes, give each agent.<kind>.num so that they add up, or name the models in one list, "
        "model.type=[...]"
    )


def _is_called(kind: str, agent: AgentFacts) -> bool:
    names = {_plain(agent.class_name), _plain(agent.kind)} - {""}
    return _plain(kind) in names


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower().removesuffix("agent")


def _number(section: DictConfig) -> int | None:
    number = OmegaConf.select(section, "num")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def model_section(config: DictConfig, name: str, kind: str | None = None) -> dict[str, Any]:
    """Return the parameters that a config gives for a model.

    They stand in ``model.<name>``, in the section itself or in its ``parameters``, and for a kind
    of agents in ``agent.<kind>.<name>``, which takes precedence. Where Hydra has merged the
    packaged defaults into a section of an environment, it has both; then ``parameters`` takes
    precedence over what is only the packaged default.

    Args:
        config: The environment's whole config.
        name: The model's registry name.
        kind: The kind of agents, as the config calls it, if any.

    Raises:
        ConfigError: A section, or its ``parameters``, is not a section.
    """
    return {
        k: v for section in model_sections(config, name, kind).values() for k, v in section.items()
    }


def model_sections(
    config: DictConfig, name: str, kind: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return the parameters of `model_section` by the config key of their section.

    The section of the kind, if any, is the last.
    """
    keys = [f"model.{name}"] if kind is None else [f"model.{name}", f"agent.{kind}.{name}"]
    return {key: _section_at(config, key, name) for key in keys}


def _section_at(config: DictConfig, key: str, name: str) -> dict[str, Any]:
    parent, _, leaf = key.rpartition(".")
    container = OmegaConf.select(config, parent)
    if not isinstance(container, DictConfig):
        return {}
    section = _container(OmegaConf.select(container, leaf), key)
    inner = _container(section.pop("parameters", None), f"{key}.parameters")
    section.pop("type", None)
    defaults = packaged_defaults(name)
    own = {k: v for k, v in section.items() if k not in defaults or v != defaults[k]}
    return {**section, **inner, **own}


def misplaced_keys(config: DictConfig, parameters: Collection[str]) -> list[str]:
    """Return the keys directly under ``model`` that look like parameters of a model.

    They do not reach it, since these keys belong to the environment.

    Args:
        config: The environment's whole config.
        parameters: The parameters that the model takes.
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
