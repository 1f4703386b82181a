"""Hydra's search-path plugin: the config groups, and the models in Sorrel's environments.

Hydra imports this module in every application on the machine where the package is installed, so it
imports neither PyTorch nor Sorrel and never raises.

Unlike in the rest of the package, importing it has a side effect: the package is installed into
Sorrel as soon as Sorrel is imported. It cannot be deferred: the processes that a launcher starts
under ``-m`` import Hydra's plugins but never call ``manipulate_search_path``, since the parent
sends them a composed config.
"""

from __future__ import annotations

import logging

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.integration.auto_install import install_with_sorrel


class SorrelRecurrentPPOSearchPath(SearchPathPlugin):
    """Appends the packaged config groups after the application's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder of the packaged configs."""
        try:
            folder = config_dir()
        except ConfigError:
            logging.getLogger(__name__).exception(
                "the config groups of sorrel_recurrent_ppo are not available"
            )
            return
        # Hydra searches an application's ConfigStore last, so the packaged config.yaml or
        # model/dqn.yaml would hide its entries of the same name: search the store first.
        search_path.append(provider="schema", path="structured://")
        search_path.append(provider="sorrel-recurrent-ppo", path=f"file://{folder}")


install_with_sorrel()
