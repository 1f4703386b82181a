"""The model registry: available models by name, and building them.

Distributions provide models through the entry-point group ``sorrel.models``; `register_model` adds
one in the current process. A model is imported only when it is used.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeGuard, overload

from sorrel_recurrent_ppo.config_files import config_dir, model_defaults
from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.learning.settings import PPOSettings

if TYPE_CHECKING:
    from sorrel.action.action_spec import ActionSpec
    from sorrel.models import BaseModel
    from sorrel.observation.observation_spec import ObservationSpec

    from sorrel_recurrent_ppo.models import RecurrentPPO

__all__ = [
    "available_models",
    "build_model",
    "find_name",
    "is_ppo_model",
    "load_model_class",
    "model_parameters",
    "packaged_defaults",
    "register_model",
]

ENTRY_POINT_GROUP = "sorrel.models"

type Catalogue = Mapping[str, tuple[EntryPoint, ...]]

_registered: dict[str, type] = {}


def build_catalogue(found: Iterable[EntryPoint]) -> Catalogue:
    """Group entry points by model name; several may claim the same name.

    Args:
        found: Entry points of the group ``sorrel.models``; none is loaded.
    """
    catalogue: dict[str, tuple[EntryPoint, ...]] = {}
    for entry_point in found:
        catalogue[entry_point.name] = (*catalogue.get(entry_point.name, ()), entry_point)
    return catalogue


@cache
def _installed() -> Catalogue:
    return build_catalogue(entry_points(group=ENTRY_POINT_GROUP))


def available_models() -> tuple[str, ...]:
    """Return the names of all models, sorted, without importing any."""
    return tuple(sorted(_installed().keys() | _registered.keys()))


def register_model(name: str, cls: type) -> None:
    """Make a model available in this process; registering a name twice replaces the first.

    Args:
        name: The model's name. Packaged defaults apply to packaged models only.
        cls: A Sorrel model class that takes ``input_size`` and ``action_space`` by keyword.

    Raises:
        ConfigError: An installed distribution provides a model of that name.
        TypeError: ``cls`` is not a class.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_model needs a class, not {cls!r}")
    if name in _installed():
        owners = ", ".join(_owner(entry_point) for entry_point in _installed()[name])
        raise ConfigError(f"model name '{name}' is taken by {owners}; choose another")
    _registered[name] = cls


def load_model_class(name: str) -> type:
    """Import a model's class.

    Raises:
        ConfigError: No model has that name, two distributions claim it, or it fails to load.
    """
    if name in _registered:
        return _registered[name]
    return load_from(_installed(), name)


def load_from(catalogue: Catalogue, name: str) -> type:
    """Import the class of a name in a catalogue; errors as in `load_model_class`."""
    claims = catalogue.get(name, ())
    if not claims:
        known = sorted(catalogue.keys() | _registered.keys())
        raise ConfigError(unknown_name("there is no model named", name, known))
    claim, *others = claims
    if others:
        owners = " and ".join(sorted(f"{_owner(claim)} ({claim.value})" for claim in claims))
        raise ConfigError(f"model name '{name}' is claimed by {owners}; uninstall one of them")
    try:
        loaded = claim.load()
    except Exception as error:
        raise ConfigError(
            f"model '{name}' of {_owner(claim)} ({claim.value}) failed to load: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, type):
        raise ConfigError(f"model '{name}' of {_owner(claim)} ({claim.value}) is not a class")
    return loaded


def _owner(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else "an unknown distribution"


def find_name(cls: type) -> str | None:
    """Return the name of exactly this class without importing anything, or ``None``."""
    for name, registered in _registered.items():
        if registered is cls:
            return name
    for name, claims in _installed().items():
        module = sys.modules.get(claims[0].module)
        if module is not None and getattr(module, claims[0].attr, None) is cls:
            return name
    return None


@overload
def is_ppo_model(  # pyright: ignore[reportOverlappingOverload] - a class is an object, too
    model_or_class: type,
) -> TypeGuard[type[RecurrentPPO]]: ...
@overload
def is_ppo_model(model_or_class: object) -> TypeGuard[RecurrentPPO]: ...
def is_ppo_model(model_or_class: object) -> bool:
    """Return whether a model, or a model class, is a recurrent PPO of this package."""
    models = sys.modules.get("sorrel_recurrent_ppo.models.base")
    if models is None:  # nothing can be an instance yet, so PyTorch need not be imported
        return False
    cls = model_or_class if isinstance(model_or_class, type) else type(model_or_class)
    return issubclass(cls, models.RecurrentPPO)


def model_parameters(name: str) -> frozenset[str] | None:
    """Return the parameters that a model takes, or ``None`` if its constructor takes any.

    Raises:
        ConfigError: As `load_model_class`.
    """
    cls = load_model_class(name)
    named = _constructor_parameters(cls)
    if is_ppo_model(cls):
        settings = {field.name for field in fields(PPOSettings)}
        return (named or frozenset()) | settings
    return named


def _constructor_parameters(cls: type) -> frozenset[str] | None:
    """Collect the parameters of the constructor and, where it passes ``**kwargs`` on, its bases."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        if "__init__" in vars(base):
            parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
            open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
            names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
            if not open_ended:
                return frozenset(names)
    return None


def build_model(
    name: str,
    *,
    observation_spec: ObservationSpec | None = None,
    action_spec: ActionSpec | None = None,
    input_size: int | Sequence[int] | None = None,
    action_space: int | None = None,
    **parameters: Any,
) -> BaseModel:
    """Build a model from its name.

    Given parameters override the packaged defaults. Global random streams are left untouched.

    Args:
        name: One of `available_models`.
        observation_spec: A Sorrel spec that provides ``input_size`` and the picture's shape.
        action_spec: A Sorrel spec that provides the number of actions.
        input_size: Shape of the observation; overrides the spec's.
        action_space: Number of actions; overrides the spec's.
        **parameters: ``seed``, ``device``, ``hidden_size`` and other parameters of the model.

    Returns:
        A new model, the same for the same ``seed``; without one, a different one each time.

    Raises:
        ConfigError: The name or a parameter is unknown, a value is invalid, or neither a spec
            nor a size is given.
    """
    cls = load_model_class(name)
    arguments: dict[str, Any] = dict(parameters)
    known = model_parameters(name)
    if not is_ppo_model(cls):  # a recurrent PPO merges defaults and checks names itself
        _reject_unknown(name, parameters, known)
        arguments = packaged_defaults(name) | arguments
    if input_size is None:
        input_size = _from_spec(observation_spec, "input_size", "observation_spec or input_size")
    if action_space is None:
        action_space = _from_spec(action_spec, "n_actions", "action_spec or action_space")
    if is_ppo_model(cls) and observation_spec is not None and arguments.get("obs_dim") is None:
        from sorrel_recurrent_ppo.policy.observations import picture_shape

        arguments["obs_dim"] = picture_shape(observation_spec)
    seed = arguments.pop("seed", None)
    arguments |= {"input_size": input_size, "action_space": action_space}
    return _construct(cls, arguments, seed, takes_seed=known is None or "seed" in known)


def _reject_unknown(name: str, parameters: Iterable[str], known: frozenset[str] | None) -> None:
    """Raise for a parameter that the model does not take; ``seed`` is accepted for every model."""
    for parameter in parameters:
        if known is not None and parameter not in known | {"seed"}:
            valid = sorted(known - {"input_size", "action_space"})
            raise ConfigError(unknown_name(f"model '{name}' has no parameter", parameter, valid))


def _from_spec(spec: Any, attribute: str, needed: str) -> Any:
    if spec is None:
        raise ConfigError(f"build_model needs {needed}")
    return getattr(spec, attribute)


def packaged_defaults(name: str) -> dict[str, Any]:
    """Return a model's packaged parameters; none for models of other distributions."""
    has_defaults = (config_dir() / "model" / f"{name}.yaml").is_file()
    return model_defaults(name) if has_defaults else {}


def _construct(
    cls: type, arguments: dict[str, Any], seed: int | None, *, takes_seed: bool
) -> BaseModel:
    import torch

    from sorrel_recurrent_ppo.support.randomness import fresh_seed, untouched_random_state

    seed = fresh_seed() if seed is None else seed
    with untouched_random_state():
        # Models that take no seed, or ignore it, draw their weights from torch's global stream.
        torch.manual_seed(seed)
        return cls(**arguments, **({"seed": seed} if takes_seed else {}))
