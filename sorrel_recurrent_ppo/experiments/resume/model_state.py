"""The state of recurrent models as plain data."""

from __future__ import annotations

from typing import Any

import torch

from sorrel_recurrent_ppo.models.base import RecurrentPPO

__all__ = ["capture_model", "restore_model"]


def capture_model(model: RecurrentPPO) -> dict[str, Any]:
    """Return a model's state, including what its checkpoints omit.

    That is, its mode, the last joint action, and the rollout's extra data.
    """
    memory = model.memory
    extra = {key: array[: memory.size] for key, array in memory.extra_data.items()}
    return {
        "state": model.training_state(),
        "training": model.training,
        "deterministic": bool(model.deterministic),
        "last_actions": list(map(int, model.last_actions)),
        "extra_data": {key: torch.from_numpy(array.copy()) for key, array in extra.items()},
    }


def restore_model(model: RecurrentPPO, plain: dict[str, Any]) -> None:
    """Restore the state that :func:`capture_model` returned."""
    model.load_training_state(plain["state"])
    saved_groups = plain["state"]["optimizer"]["param_groups"]
    for group, saved in zip(model.optimizer.param_groups, saved_groups, strict=True):
        group["lr"] = saved["lr"]  # of the last update; loading keeps the model's own
    model.train(plain["training"])
    model.deterministic = plain["deterministic"]
    model.last_actions = tuple(plain["last_actions"])
    for key, values in plain["extra_data"].items():
        model.memory.extra_data[key][: len(values)] = values.numpy()
