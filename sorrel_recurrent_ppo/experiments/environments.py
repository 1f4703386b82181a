"""Building of a Sorrel world and environment from the dotted class names in the config."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError
from sorrel.entities import Entity
from sorrel.environment import Environment
from sorrel.worlds.base_world import World

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name
from sorrel_recurrent_ppo.support.original_directory import original_directory

__all__ = ["build_environment", "build_runner", "load_class"]

_WORLD_CLASS, _ENTITY_CLASS = "environment.world_class", "environment.entity_class"
_DEFAULTS = {
    _WORLD_CLASS: "sorrel.worlds.Gridworld",
    _ENTITY_CLASS: "sorrel.entities.basic_entities.EmptyEntity",
}


def build_runner(config: DictConfig) -> Any:
    """Build the object whose ``run_experiment`` runs the experiment.

    With ``environment.factory``, the dotted name of a function, it is what that function returns
    when it is called with the complete config: an environment, or an object that coordinates
    several. Otherwise it is the environment of `build_environment`.

    Raises:
        ConfigError: As `build_environment`, or the factory does not exist or returns an object
            without ``run_experiment``.
    """
    dotted_name = config.environment.get("factory")
    if dotted_name is None:
        return build_environment(config)
    key = "environment.factory"
    factory = _load(key, dotted_name, callable)
    if not callable(factory):
        raise ConfigError(f"{key}={dotted_name} is not a function")
    with _naming_missing_keys(dotted_name):
        runner = factory(config)
    if not callable(getattr(runner, "run_experiment", None)):
        raise ConfigError(
            f"{key}={dotted_name} returned a {type(runner).__name__}, expected an object with the "
            "method run_experiment, such as an environment"
        )
    return runner


def build_environment(config: DictConfig) -> Environment:
    """Build the environment of the config's section ``environment``.

    A world class with a parameter ``config`` gets the complete config, as in Sorrel's treasurehunt;
    any other gets the keys of the config's section ``world`` as arguments, as in Sorrel's tag.

    Args:
        config: The complete config, with ``environment.env_class``. ``environment.world_class`` is
            by default Sorrel's ``Gridworld``, ``environment.entity_class`` its ``EmptyEntity``.
            The environment keeps the config and may write to it.

    Returns:
        The environment, with its agents.

    Raises:
        ConfigError: A class cannot be found or has the wrong base, the world's arguments do not
            match its signature, or the environment reads a key that is not set.
    """
    env_class: type[Any] = load_class(
        "environment.env_class", config.environment.env_class, Environment
    )
    names = {key: OmegaConf.select(config, key) or _DEFAULTS[key] for key in _DEFAULTS}
    world_class = load_class(_WORLD_CLASS, names[_WORLD_CLASS], World)
    entity_class = load_class(_ENTITY_CLASS, names[_ENTITY_CLASS], Entity)
    with _naming_missing_keys(f"{env_class.__name__} or {world_class.__name__}"):
        world = _build_world(world_class, config, entity_class())
        return env_class(world, config)


@contextmanager
def _naming_missing_keys(reader: str) -> Iterator[None]:
    try:
        yield
    except (ConfigAttributeError, ConfigKeyError) as error:
        raise ConfigError(
            f"{reader} reads the config key '{error.full_key}', which is not set; set it with "
            f"+{error.full_key}=..."
        ) from error


def load_class[T](key: str, dotted_name: str, base: type[T]) -> type[T]:
    """Import a class by its dotted name; including modules in the working directory.

    Args:
        key: The config key that gave the name, for error messages.
        dotted_name: Such as ``"my_package.my_module.MyEnv"``.
        base: The required base class.

    Returns:
        The class.

    Raises:
        ConfigError: The module or class does not exist, or the class is abstract or not derived
            from ``base``.
    """
    found = _load(key, dotted_name, lambda value: _is_derived(value, base))
    if found is not base and not _is_derived(found, base):
        raise ConfigError(
            f"{key}={dotted_name} is not a class derived from {base.__module__}.{base.__name__}"
        )
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise ConfigError(f"{key}={dotted_name} is abstract: it does not define {lacking}")
    return found


def _load(key: str, dotted_name: str, is_suitable: Callable[[Any], bool]) -> Any:
    """Return what a dotted name refers to; suggest the suitable names of its module."""
    module_name, _, own_name = dotted_name.rpartition(".")
    if not module_name:
        raise ConfigError(f"{key}={dotted_name} is not a dotted name such as my_module.MyClass")
    module = _import_module(key, module_name)
    found = getattr(module, own_name, None)
    if found is None:
        suitable = [
            name
            for name, value in vars(module).items()
            if is_suitable(value) and not name.startswith("_")
        ]
        what = f"{key}={dotted_name}: module '{module_name}' has no"
        raise ConfigError(unknown_name(what, own_name, suitable))
    return found


def _is_derived(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base) and value is not base


def _import_module(key: str, name: str) -> Any:
    working_directory = str(original_directory())
    if working_directory not in sys.path:
        sys.path.append(working_directory)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists; one of its own imports does not
        raise ConfigError(
            f"{key}: there is no module '{error.name}' (looked for '{name}' among the installed "
            f"packages and in {working_directory})"
        ) from error


def _build_world(world_class: type[Any], config: DictConfig, default_entity: Entity) -> Any:
    parameters = inspect.signature(world_class).parameters
    if "config" in parameters:
        arguments: dict[str, Any] = {"config": config}
    else:
        section = OmegaConf.to_container(config.get("world") or OmegaConf.create(), resolve=True)
        assert isinstance(section, dict)
        arguments = {str(name): value for name, value in section.items()}
        _check_arguments(world_class.__name__, parameters, arguments)
    if "default_entity" in parameters:
        arguments["default_entity"] = default_entity
    return world_class(**arguments)


def _check_arguments(
    world_name: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]
) -> None:
    names = [name for name in parameters if name != "default_entity"]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [] if takes_any else [name for name in arguments if name not in names]
    if unknown:
        what = f"config key world.{unknown[0]}: {world_name} has no parameter"
        raise ConfigError(unknown_name(what, unknown[0], names))
    missing = [
        f"world.{name}"
        for name in names
        if name not in arguments
        and parameters[name].default is inspect.Parameter.empty
        and parameters[name].kind
        not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    if missing:
        raise ConfigError(
            f"{world_name} needs the config keys {', '.join(missing)}; set them with "
            f"{' '.join(f'+{name}=...' for name in missing)}"
        )
