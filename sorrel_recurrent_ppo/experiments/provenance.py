"""``provenance.yaml``: the commands, seeds and software versions of a run."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population
from sorrel_recurrent_ppo.registry import available_models
from sorrel_recurrent_ppo.replacement.newcomers import parameters_of
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.atomic_files import atomic_write

__all__ = ["current_versions", "record_session"]

log = logging.getLogger(__name__)

# The packages that a run's numbers depend on.
PACKAGES = ("sorrel-recurrent-ppo", "sorrel", "numpy", "hydra-core", "omegaconf")


def current_versions() -> dict[str, str]:
    """Return the versions of Python and the packages that a run depends on."""
    # torch.__version__ includes the build, such as CUDA.
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # used from a checkout without being installed
            versions[package] = "not installed"
    return versions


def record_session(
    files: RunFiles,
    config: DictConfig,
    population: Population,
    *,
    first_epoch: int,
    command: str | None,
) -> None:
    """Record the start or resumption of a run; warn if software versions have changed.

    Args:
        files: The run's files.
        config: The run's config.
        population: The members at the start of the run.
        first_epoch: The first epoch of this session.
        command: The command line; ``None`` if started from Python.
    """
    session = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "first_epoch": first_epoch,
        "command": command,
        "versions": current_versions(),
        "platform": platform.platform(),
    }
    content = _read(files)
    if content is None:
        agents = [_describe(member) for member in population.members]
        content = {"seed": config.seed, "agents": agents, "sessions": []}
    elif first_epoch:
        _warn_of_differences(content["sessions"][-1]["versions"], session["versions"])
    content["sessions"].append(session)
    with atomic_write(files.provenance) as partial:
        OmegaConf.save(OmegaConf.create(content), partial)


def _describe(member: Member) -> dict[str, Any]:
    """Return what identifies an agent; with its settings if the environment built its model."""
    facts = {"name": member.name, "model": member.model_name, "kind": member.kind}
    if member.seed is not None:  # built from the config, which has the settings
        return {**facts, "seed": member.seed}
    if member.model_name in available_models():
        settings = parameters_of(member.agent.model, member.model_name)
    else:
        settings = vars(member.agent.model)
    return {**facts, "seed": None, "settings": _plain(settings)}


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that YAML can hold, and devices as text."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        values = list(value) if isinstance(value, tuple | list) else [value]
        if all(v is None or isinstance(v, bool | int | float | str) for v in values):
            found[key] = values if isinstance(value, tuple | list) else value
        elif isinstance(value, torch.device):
            found[key] = str(value)
    return found


def _read(files: RunFiles) -> dict[str, Any] | None:
    """Return the existing content, or ``None``; older versions of the package wrote none."""
    if not files.provenance.exists():
        return None
    content = OmegaConf.to_container(OmegaConf.load(files.provenance))
    if not isinstance(content, dict) or not content.get("sessions"):
        return None
    return {str(key): value for key, value in content.items()}


def _warn_of_differences(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = [
        f"{name} {before.get(name, 'unknown')} -> {now.get(name, 'unknown')}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if changed:
        log.warning(
            "This run resumes with different software versions, so it may differ from an "
            "uninterrupted run: %s",
            ", ".join(changed),
        )
