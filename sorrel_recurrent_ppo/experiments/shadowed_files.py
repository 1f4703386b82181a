"""Config files of the user's that packaged ones of the same name hide."""

from __future__ import annotations

from pathlib import Path

from hydra.conf import RuntimeConf

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError

__all__ = ["check_shadowed_files"]


def check_shadowed_files(runtime: RuntimeConf) -> None:
    """Raise if a file of the user's has the name of a packaged one, which Hydra prefers.

    Args:
        runtime: Hydra's choices and config sources.

    Raises:
        ConfigError: There is such a file, which would have no effect.
    """
    folders = [Path(s.path) for s in runtime.config_sources if s.schema == "file" and s.path]
    own = [folder for folder in folders if folder != config_dir()]
    for group, choice in runtime.choices.items():
        file_name = f"{group}/{choice}.yaml"
        hidden = [folder / file_name for folder in own if (folder / file_name).is_file()]
        if hidden and (config_dir() / file_name).is_file():
            raise ConfigError(
                f"{hidden[0]} has no effect, since the package has {group}={choice} itself; give "
                "the file another name"
            )
