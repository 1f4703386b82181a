"""Hydra's search-path plugin: the config groups, and the models in Sorrel's environments.

Hydra imports this module in every application on the machine where the package is installed, so it
imports neither PyTorch nor Sorrel and never raises.

Importing it has a side effect, unlike in the rest of the package: the package is installed into
Sorrel as soon as Sorrel is imported. No later moment would do: the processes that a launcher starts
under ``-m`` import Hydra's plugins, but never ask a search-path plugin for its paths, since the
parent sends them a composed config.
"""

from __future__ import annotations

import logging

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.integration.auto_install import install_with_sorrel


class SorrelRecurrentPPOSearchPath(SearchPathPlugin):
    """Adds the packaged config groups behind the application's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder of the packaged configs."""
        try:
            folder = config_dir()
        except ConfigError:
            logging.getLogger(__name__).exception("no config groups of sorrel_recurrent_ppo")
            return
        # Hydra itself puts what an application has registered in its ConfigStore last of all, so
        # that our config.yaml or model/dqn.yaml would hide its own of that name: look there before.
        search_path.append(provider="schema", path="structured://")
        search_path.append(provider="sorrel-recurrent-ppo", path=f"file://{folder}")


install_with_sorrel()
