"""Command-line arguments of the commands that read finished runs: paths and ``key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name

__all__ = ["CommandHelp", "parse_arguments", "parse_run_and_settings", "setting", "wants_help"]

_HELP = "help"


@dataclass(frozen=True)
class CommandHelp:
    """The parts of a command's ``--help`` that do not follow from its settings.

    Attributes:
        name: The command's name.
        paths: The placeholder of its paths, such as ``RUN_DIR...``; empty for none.
        summary: A description in a few lines.
        examples: Complete command lines.
    """

    name: str
    paths: str
    summary: str
    examples: Sequence[str] = ()

    def text(self, schema: type) -> str:
        """Return the help, with a line for each setting of ``schema``."""
        rows = [(f"{f.name}={_shown(_default(f))}", f.metadata[_HELP]) for f in _fields(schema)]
        width = max(len(left) for left, _ in rows)
        usage = " ".join(filter(None, [f"sorrel-recurrent-ppo {self.name}", self.paths]))
        return "\n".join(
            [
                f"Usage: {usage} [key=value ...] [--debug]",
                *("", self.summary, "", "Settings, with their defaults:"),
                *(f"  {left:{width}}  {right}" for left, right in rows),
                *(["", "Examples:"] if self.examples else []),
                *(f"  {example}" for example in self.examples),
            ]
        )


def setting(default: Any, text: str) -> Any:
    """Declare a field of a command's settings.

    Args:
        default: The default; a dictionary for settings of the form ``name.key=value``.
        text: The description in ``--help``.
    """
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={_HELP: text})
    return field(default=default, metadata={_HELP: text})


def wants_help(arguments: Sequence[str]) -> bool:
    """Return whether the arguments ask for the command's help."""
    return any(argument in ("-h", "--help") for argument in arguments)


def parse_arguments[T](arguments: Sequence[str], schema: type[T]) -> tuple[list[Path], T]:
    """Separate arguments into paths and settings.

    A setting is ``key=value``, as for ``run``; ``--key value`` and ``--key=value`` are synonyms.

    Args:
        arguments: The arguments after the command's name.
        schema: A dataclass whose fields are declared with `setting`.

    Returns:
        The paths in order, and the settings.

    Raises:
        ConfigError: A setting is unknown, has no value, or has a value of the wrong type.
    """
    names = [f.name for f in _fields(schema)]
    config = OmegaConf.structured(schema)
    paths: list[Path] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        key, separator, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") and (not separator or Path(argument).exists()):
            paths.append(Path(argument))
            continue
        if key.partition(".")[0] not in names:
            raise ConfigError(unknown_name("there is no setting", key, names))
        if not separator:
            if not remaining:
                raise ConfigError(f"{argument} needs a value: {key}=...")
            value = remaining.pop(0)
        try:
            OmegaConf.update(config, key, None if value in ("null", "") else value)
        except OmegaConfBaseException as error:
            raise ConfigError(f"{key}={value}: {str(error).splitlines()[0]}") from error
    return paths, cast(T, OmegaConf.to_object(config))


def parse_run_and_settings[T](arguments: Sequence[str], schema: type[T]) -> tuple[Path, T]:
    """Separate arguments into the directory of a run and settings, as :func:`parse_arguments`.

    Raises:
        ConfigError: A setting is invalid, or the paths are not exactly one directory.
    """
    paths, settings = parse_arguments(arguments, schema)
    if len(paths) != 1:
        raise ConfigError(
            f"expected the directory of one run, found {len(paths)} paths (see --help)"
        )
    if not paths[0].is_dir():
        raise ConfigError(f"{paths[0]} is not a directory; expected the directory of a run")
    return paths[0], settings


def _fields(schema: type) -> tuple[Field[Any], ...]:
    return fields(schema)


def _default(declared: Field[Any]) -> Any:
    factory = declared.default_factory
    return factory() if callable(factory) else declared.default


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "..." if isinstance(value, dict) else str(value)
