"""Recurrent PPO agents for Sorrel.

The public names are here; each is imported from its module when first used, so that importing the
package alone loads neither Sorrel nor PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sorrel_recurrent_ppo.errors import missing_from_sorrel

if TYPE_CHECKING:
    from sorrel_recurrent_ppo.acceleration.switch import accelerate
    from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
    from sorrel_recurrent_ppo.integration.install import install, join_environments, uninstall
    from sorrel_recurrent_ppo.learning.settings import PPOSettings
    from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPO, RecurrentPPOLSTM
    from sorrel_recurrent_ppo.registry import (
        available_models,
        build_model,
        is_ppo_model,
        register_model,
    )
    from sorrel_recurrent_ppo.replacement import replace_agent, select_agents

_HOMES = {
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DualHeadRecurrentPPO": "models",
    "PPOSettings": "learning.settings",
    "RecurrentPPO": "models",
    "RecurrentPPOLSTM": "models",
    "accelerate": "acceleration.switch",
    "available_models": "registry",
    "build_model": "registry",
    "install": "integration.install",
    "join_environments": "integration.install",
    "is_ppo_model": "registry",
    "register_model": "registry",
    "replace_agent": "replacement",
    "select_agents": "replacement",
    "uninstall": "integration.install",
}

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DualHeadRecurrentPPO",
    "PPOSettings",
    "RecurrentPPO",
    "RecurrentPPOLSTM",
    "accelerate",
    "available_models",
    "build_model",
    "install",
    "is_ppo_model",
    "join_environments",
    "register_model",
    "replace_agent",
    "select_agents",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ImportError as error:
        if (message := missing_from_sorrel(error)) is None:
            raise
        raise ImportError(message) from error


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
