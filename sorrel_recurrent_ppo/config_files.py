"""The packaged YAML files and the models' defaults in them."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.errors import ConfigError, unknown_name

__all__ = ["config_dir", "model_defaults"]


def config_dir() -> Path:
    """Return the folder of the packaged configuration groups.

    A wheel carries it inside the package; a checkout (editable install) beside it.

    Raises:
        ConfigError: The configuration files are in neither location.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "configs", package.parent / "configs"):
        if (candidate / "model").is_dir():
            return candidate
    raise ConfigError(f"the packaged configuration files are missing: no 'configs' near {package}")


def model_defaults(name: str) -> dict[str, Any]:
    """Return the packaged parameters of a model.

    They are defined only in ``configs/model/<name>.yaml``, which may extend other files of its
    group through Hydra's ``defaults`` list.

    Args:
        name: The model's registry name, such as ``"lstm_ppo"``.

    Returns:
        A new dictionary of the parameters in the file's section ``name``.

    Raises:
        ConfigError: The file or section does not exist.
    """
    return copy.deepcopy(_read_model_section(name))


@cache
def _read_model_section(name: str) -> dict[str, Any]:
    folder = config_dir() / "model"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(unknown_name("there are no packaged defaults for the model", name, known))
    config = _load_with_defaults_list(path)
    section = OmegaConf.to_container(config, resolve=True)
    if not isinstance(section, dict) or not isinstance(section.get(name), dict):
        raise ConfigError(f"{path.name} has no section '{name}'")
    return {str(key): value for key, value in section[name].items()}


def _load_with_defaults_list(path: Path) -> DictConfig:
    """Compose a file with the ``file@section`` entries of its defaults list, as Hydra would.

    Hydra's own compose needs its global state, which belongs to the calling application.
    """
    own = OmegaConf.load(path)
    assert isinstance(own, DictConfig)
    composed = OmegaConf.create({})
    for entry in own.pop("defaults", []):
        if entry != "_self_":
            file, section = entry.split("@")
            base = OmegaConf.load(path.parent / f"{file}.yaml")
            composed = OmegaConf.merge(composed, {section: base})
    merged = OmegaConf.merge(composed, own)
    assert isinstance(merged, DictConfig)
    return merged
