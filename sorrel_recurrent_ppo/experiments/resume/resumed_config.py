"""``resume=RUN_DIR`` on the command line: the config of a resumed run, and Hydra's arguments."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import OverridesConf, RuntimeConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.original_directory import from_original_directory

__all__ = [
    "CHANGEABLE_KEYS",
    "command_of",
    "hydra_arguments",
    "resume_command",
    "resumed_run_config",
]

_IS_WINDOWS = os.name == "nt"
_KEY = "resume"
PROGRAM = "sorrel-recurrent-ppo run"

# Hydra's names for config sources from --config-dir and hydra.searchpath.
_CONFIG_DIR = "command-line"
_USER_PROVIDERS = (_CONFIG_DIR, "hydra.searchpath in command-line", "hydra.searchpath in main")

# The keys that a resumed run may change.
CHANGEABLE_KEYS = (
    *("experiment.epochs", "experiment.record_period", "experiment.animate"),
    *("checkpoint_period", "threads", "accelerate", "log_turns", "quiet"),
    *("record_states", "record_states_limit"),
    *("checkpoint_keep.every", "checkpoint_keep.max_gb"),
)


def resume_command(directory: Path) -> str:
    """Return the command that resumes a run."""
    return f"{PROGRAM} {_joined([f'{_KEY}={directory}'])}"


def _joined(arguments: Sequence[str]) -> str:
    """Quote and join arguments for the system's shell."""
    return subprocess.list2cmdline(arguments) if _IS_WINDOWS else shlex.join(arguments)


def hydra_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``resume=RUN_DIR`` expanded for Hydra.

    The job then uses the run's directory, leaves its ``.hydra`` folder unchanged, and composes the
    config with the run's original overrides, so that all its keys are known.

    Args:
        arguments: The command-line arguments.

    Raises:
        ConfigError: The directory holds no run, or a sweep is requested.
    """
    given = [text for text in arguments if text.startswith(f"{_KEY}=")]
    if not given or given[-1] == f"{_KEY}=null":
        return list(arguments)
    if given[-1] == f"{_KEY}=":
        raise ConfigError(f"{_KEY}= names no directory: {_KEY}=RUN_DIR resumes the run in it")
    directory = Path(given[-1].removeprefix(f"{_KEY}=").strip("'\""))
    if not directory.exists():
        raise ConfigError(f"{_KEY}={directory}: there is no such directory")
    if not RunFiles(directory).config.is_file():
        raise ConfigError(f"{_KEY}={directory}: not a run directory: it has no config.yaml")
    if {"-m", "--multirun"} & set(arguments):
        raise ConfigError(f"{_KEY} resumes one run; leave out -m (--multirun)")
    others = [text for text in arguments if not text.startswith(f"{_KEY}=")]
    _check_choices(directory, others)
    keys = {_key(text) for text in others}
    earlier = [
        text
        for text in _read_hydra_file(directory, "overrides.yaml", "task", [])
        if _key(text) not in keys
    ]
    quoted = _quoted(str(directory))
    overrides = [text for text in others if _is_override(text)]
    return [
        # Options first: argparse rejects overrides on both sides of an option.
        *(text for text in others if not _is_override(text)),
        *(*earlier, *overrides, *([] if "hydra.searchpath" in keys else _search_path(directory))),
        *(["hydra.job.chdir=true"] if _changes_directory(directory, keys) else []),
        *(f"{_KEY}={quoted}", f"hydra.run.dir={quoted}", "hydra.output_subdir=null"),
    ]


def _is_override(argument: str) -> bool:
    return "=" in argument and not argument.startswith("-")


def _search_path(directory: Path) -> list[str]:
    """Return the override that adds the run's own config folders to the search path."""
    sources = _read_hydra_file(directory, "hydra.yaml", "hydra.runtime.config_sources", [])
    own = [
        f"{source['schema']}://{source['path']}"
        for source in sources
        if source["provider"] in _USER_PROVIDERS and source["path"]
    ]
    return [f"hydra.searchpath=[{','.join(map(_quoted, own))}]"] if own else []


def _changes_directory(directory: Path, keys: Collection[str]) -> bool:
    """Return whether the run works in its own directory, and the command does not say."""
    key = "hydra.job.chdir"
    return key not in keys and bool(_read_hydra_file(directory, "hydra.yaml", key, False))


def _quoted(text: str) -> str:
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _check_choices(directory: Path, overrides: Sequence[str]) -> None:
    """Reject changed config-group choices before Hydra composes the config."""
    choices = _read_hydra_file(directory, "hydra.yaml", "hydra.runtime.choices", {})
    contradictions = [
        f"{text} (the run has {_format_value(choices[_key(text)])})"
        for text in overrides
        if _key(text) in choices and text.partition("=")[2] != str(choices[_key(text)])
    ]
    _reject(directory, contradictions)


def _reject(directory: Path, contradictions: Sequence[str]) -> None:
    if contradictions:
        raise ConfigError(
            f"{_KEY}={directory} resumes the run with its own config; this contradicts it: "
            f"{', '.join(contradictions)}. These may be changed: {', '.join(CHANGEABLE_KEYS)}"
        )


def resumed_run_config(
    composed: DictConfig, overrides: Sequence[str], choices: Collection[str]
) -> DictConfig:
    """Return the config of a resumed run: the saved one with the allowed changes.

    Args:
        composed: The config that Hydra composed, with ``resume`` set.
        overrides: The overrides of that composition.
        choices: The names of the config groups, whose choices `hydra_arguments` has checked.

    Raises:
        ConfigError: Overrides contradict the saved config; the message lists them all.
    """
    files = RunFiles(from_original_directory(composed[_KEY]))
    saved = OmegaConf.load(files.config)
    if not isinstance(saved, DictConfig):
        raise ConfigError(f"{files.config} is not the config of a run")
    own = set(_read_hydra_file(files.directory, "overrides.yaml", "task", []))
    contradictions = []
    for override in _parsed([text for text in overrides if text not in own]):
        key = override.key_or_group
        if key == _KEY or key in choices:
            continue
        before, now = OmegaConf.select(saved, key), OmegaConf.select(composed, key)
        if key in CHANGEABLE_KEYS:
            OmegaConf.update(saved, key, now, force_add=True)
        elif before != now:
            contradictions.append(f"{override.input_line} (the run has {_format_value(before)})")
    _reject(files.directory, contradictions)
    return saved


def command_of(
    runtime: RuntimeConf, given: OverridesConf, directory: Path | None, *, in_sweep: bool = False
) -> str:
    """Return the command that starts a job with these overrides.

    Args:
        runtime: Hydra's config sources, including ``--config-dir``.
        given: The overrides of the job's config and of Hydra's.
        directory: The run that the job resumes, whose own overrides and config folders are
            omitted from the command; or ``None``.
        in_sweep: Whether it is the job of a sweep, whose settings of Hydra are not the job's.
    """
    overrides = given.task
    if directory is None:
        folders = [s.path for s in runtime.config_sources if s.provider == _CONFIG_DIR]
        options = [text for path in folders for text in ("--config-dir", path)]
        of_hydra = [] if in_sweep else [text for text in given.hydra if _key(text) != "hydra.mode"]
        return _joined([*PROGRAM.split(), *options, *overrides, *of_hydra])
    own = _read_hydra_file(directory, "overrides.yaml", "task", [])
    others = [text for text in overrides if text not in own and _key(text) != _KEY]
    return " ".join([resume_command(directory), *([_joined(others)] if others else [])])


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))


def _format_value(value: Any) -> str:
    if OmegaConf.is_config(value):
        return str(OmegaConf.to_container(value))
    return "null" if value is None else str(value)


def _read_hydra_file(directory: Path, file_name: str, key: str, default: Any) -> Any:
    """Return a value from the run's ``.hydra`` folder, or the default if there is none."""
    path = directory / ".hydra" / file_name
    if not path.is_file():
        return default
    saved = OmegaConf.load(path)
    if file_name == "overrides.yaml":  # Hydra writes the job's overrides as a plain list
        return [str(text) for text in saved]
    found = OmegaConf.select(saved, key)
    if found is None:
        return default
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
