"""The machine of a measurement, and its number of threads."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

__all__ = ["describe_machine", "use_one_thread"]

_PACKAGES = (
    "sorrel-recurrent-ppo",
    "sorrel",
    "torch",
    "numpy",
    "sb3-contrib",
    "torchrl",
    "stable-baselines3",
    "gymnasium",
    "popgym",
)


def describe_machine() -> dict[str, object]:
    """Return the processor, the numbers of cores and threads, and the versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def use_one_thread() -> None:
    """Limit PyTorch and numpy to one thread each; numpy's BLAS has a separate thread pool."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    info = {key.strip(): value.strip() for key, value in fields.items()}
    if "model name" not in info:
        return platform.processor() or platform.machine()
    return (
        f"{info['model name']} (family {info.get('cpu family')}, model {info.get('model')}, "
        f"{info.get('cpu MHz', '?')} MHz)"
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
