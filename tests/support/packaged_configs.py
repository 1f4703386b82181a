"""Hydra's composition of the packaged configs, in any supported version of Hydra."""

import hydra.utils
from hydra import initialize_config_dir

from sorrel_recurrent_ppo.config_files import config_dir

# Deprecated from Hydra 1.4 on, which has the whitelist.
_VERSION = {} if hasattr(hydra.utils, "execution_whitelist") else {"version_base": "1.3"}


def packaged_configs():
    """Return a context in which ``hydra.compose`` finds the packaged configs."""
    return initialize_config_dir(str(config_dir()), **_VERSION)
