"""``resume=RUN_DIR`` on the command line: the config of a resumed run, and Hydra's arguments."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import RuntimeConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.run_files import RunFiles

__all__ = ["MAY_DIFFER", "command_of", "continued_config", "hydra_arguments", "resume_command"]

_KEY = "resume"
PROGRAM = "sorrel-recurrent-ppo run"

# How Hydra calls the sources of --config-dir and of hydra.searchpath.
_CONFIG_DIR = "command-line"
_GIVEN_BY_HAND = (_CONFIG_DIR, "hydra.searchpath in command-line", "hydra.searchpath in main")

# What may be changed when a run is resumed.
MAY_DIFFER = (
    *("experiment.epochs", "experiment.record_period", "experiment.animate"),
    *("checkpoint_period", "threads", "log_turns", "quiet", "record_states", "record_states_limit"),
)


def resume_command(directory: Path) -> str:
    """Return the command that resumes a run."""
    return f"{PROGRAM} {shlex.quote(f'{_KEY}={directory}')}"


def hydra_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with what ``resume=RUN_DIR`` means for Hydra.

    The job then works in the run's directory, leaves Hydra's record there as it is, and composes
    the config with the overrides that the run was started with, so that all its keys are known.

    Args:
        arguments: Those of the command line.

    Raises:
        ConfigError: The directory holds no run, or there are several jobs.
    """
    given = [text for text in arguments if text.startswith(f"{_KEY}=")]
    if not given or given[-1] in (f"{_KEY}=", f"{_KEY}=null"):
        return list(arguments)
    directory = Path(given[-1].removeprefix(f"{_KEY}=").strip("'\""))
    if not RunFiles(directory).config.is_file():
        raise ConfigError(f"{_KEY}={directory}: there is no run, since it has no config.yaml")
    if {"-m", "--multirun"} & set(arguments):
        raise ConfigError(f"{_KEY} resumes one run; leave out -m (--multirun)")
    others = [text for text in arguments if not text.startswith(f"{_KEY}=")]
    _check_choices(directory, others)
    keys = {_key(text) for text in others}
    earlier = [
        text for text in _saved(directory, "overrides.yaml", "task", []) if _key(text) not in keys
    ]
    place = _quoted(str(directory))
    overrides = [text for text in others if _is_override(text)]
    return [
        # Options first: argparse takes no overrides on both sides of one.
        *(text for text in others if not _is_override(text)),
        *(*earlier, *overrides, *([] if "hydra.searchpath" in keys else _search_path(directory))),
        *(f"{_KEY}={place}", f"hydra.run.dir={place}", "hydra.output_subdir=null"),
    ]


def _is_override(argument: str) -> bool:
    return "=" in argument and not argument.startswith("-")


def _search_path(directory: Path) -> list[str]:
    """Return the override by which the run's own folders of configs are found again."""
    sources = _saved(directory, "hydra.yaml", "hydra.runtime.config_sources", [])
    own = [
        f"{source['schema']}://{source['path']}"
        for source in sources
        if source["provider"] in _GIVEN_BY_HAND and source["path"]
    ]
    return [f"hydra.searchpath=[{','.join(map(_quoted, own))}]"] if own else []


def _quoted(text: str) -> str:
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _check_choices(directory: Path, overrides: Sequence[str]) -> None:
    """Refuse other choices in config groups, with which the config could not even be composed."""
    choices = _saved(directory, "hydra.yaml", "hydra.runtime.choices", {})
    contradictions = [
        f"{text} (the run has {_shown(choices[_key(text)])})"
        for text in overrides
        if _key(text) in choices and text.partition("=")[2] != str(choices[_key(text)])
    ]
    _refuse(directory, contradictions)


def _refuse(directory: Path, contradictions: Sequence[str]) -> None:
    if contradictions:
        raise ConfigError(
            f"{_KEY}={directory} resumes the run with its own config; this contradicts it: "
            f"{', '.join(contradictions)}. These may be changed: {', '.join(MAY_DIFFER)}"
        )


def continued_config(
    composed: DictConfig, overrides: Sequence[str], choices: Collection[str]
) -> DictConfig:
    """Return the config of a resumed run: its own, with the changes that are allowed.

    Args:
        composed: What Hydra has composed, with ``resume`` set.
        overrides: The overrides that it was composed with.
        choices: The names of the config groups, whose choices `hydra_arguments` has checked.

    Raises:
        ConfigError: Overrides contradict the run's own config; the message names them all.
    """
    files = RunFiles(Path(composed[_KEY]))
    saved = OmegaConf.load(files.config)
    if not isinstance(saved, DictConfig):
        raise ConfigError(f"{files.config} is not the config of a run")
    own = set(_saved(files.directory, "overrides.yaml", "task", []))
    contradictions = []
    for override in _parsed([text for text in overrides if text not in own]):
        key = override.key_or_group
        if key == _KEY or key in choices:
            continue
        before, now = OmegaConf.select(saved, key), OmegaConf.select(composed, key)
        if key in MAY_DIFFER:
            OmegaConf.update(saved, key, now, force_add=True)
        elif before != now:
            contradictions.append(f"{override.input_line} (the run has {_shown(before)})")
    _refuse(files.directory, contradictions)
    return saved


def command_of(runtime: RuntimeConf, overrides: Sequence[str], directory: Path | None) -> str:
    """Return the command that starts a job of these overrides.

    Args:
        runtime: Where Hydra found the configs, ``--config-dir`` among them.
        overrides: What the job's config was composed with.
        directory: The run that it resumes, whose own overrides and folder of configs need not be
            given again; or ``None``.
    """
    if directory is None:
        folders = [s.path for s in runtime.config_sources if s.provider == _CONFIG_DIR]
        options = [text for path in folders for text in ("--config-dir", path)]
        return shlex.join([*PROGRAM.split(), *options, *overrides])
    own = _saved(directory, "overrides.yaml", "task", [])
    others = [text for text in overrides if text not in own and _key(text) != _KEY]
    return " ".join([resume_command(directory), *map(shlex.quote, others)])


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))


def _shown(value: Any) -> str:
    if OmegaConf.is_config(value):
        return str(OmegaConf.to_container(value))
    return "null" if value is None else str(value)


def _saved(directory: Path, file_name: str, key: str, default: Any) -> Any:
    """Return what Hydra noted when the run began; the default where it noted nothing."""
    path = directory / ".hydra" / file_name
    if not path.is_file():
        return default
    noted = OmegaConf.load(path)
    if file_name == "overrides.yaml":  # Hydra writes the job's overrides as a plain list
        return [str(text) for text in noted]
    found = OmegaConf.select(noted, key)
    return default if found is None else OmegaConf.to_container(found)
