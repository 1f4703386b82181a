"""Seeds, generators, and the states of the global random streams."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = [
    "MAX_SEED",
    "derive_seed",
    "fresh_seed",
    "generator_from_state",
    "global_random_state",
    "peek_seed",
    "seed_global_generators",
    "set_global_random_state",
    "untouched_random_state",
]

MAX_SEED = 2**64 - 1  # of PyTorch's generators


@contextmanager
def untouched_random_state() -> Iterator[None]:
    """Restore Python's, numpy's and torch's global random states after the block."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    # fork_rng always restores the CPU's state; that of GPUs only if this process has used one.
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    mps_state = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        with torch.random.fork_rng(devices=list(cuda)):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)


def global_random_state() -> dict[str, Any]:
    """Return the states of Python's, numpy's and torch's global streams as plain values."""
    version, words, python_gauss = random.getstate()
    name, keys, *position = np.random.get_state()
    return {
        "python": [version, list(words), python_gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), *position],
        "torch": torch.get_rng_state(),
        # Reading the state of a GPU that this process has not used would initialise it.
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_global_random_state(saved: dict[str, Any]) -> None:
    """Restore the global streams from what :func:`global_random_state` returned.

    States of GPUs that this machine does not have are ignored.
    """
    version, words, python_gauss = saved["python"]
    random.setstate((version, tuple(words), python_gauss))
    name, keys, *position = saved["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *position))
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and torch.cuda.device_count() >= len(saved["cuda"]):
        torch.cuda.set_rng_state_all(saved["cuda"])
    if saved["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(saved["mps"])


def seed_global_generators(seed: int) -> None:
    """Seed the global streams of Python, numpy and torch; Sorrel's worlds draw from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def fresh_seed() -> int:
    """Return a seed from the operating system's entropy, drawing from no global stream."""
    entropy = np.random.SeedSequence().entropy
    assert isinstance(entropy, int)
    return entropy % 2**32


def peek_seed() -> int:
    """Return a seed derived from numpy's global state, without drawing from it.

    The same global state gives the same seed.
    """
    state = np.random.get_state(legacy=False)
    return int.from_bytes(hashlib.sha256(pickle.dumps(state)).digest()[:8])


def derive_seed(*keys: int) -> int:
    """Return a 32-bit seed that depends on every key and on their order.

    Unlike ``seed + i``, neighbouring keys give unrelated seeds.
    """
    return int(np.random.SeedSequence(keys).generate_state(1)[0])


def generator_from_state(state: dict[str, Any]) -> np.random.Generator:
    """Return a generator that continues from a saved ``generator.bit_generator.state``."""
    generator = np.random.Generator(np.random.PCG64())
    generator.bit_generator.state = state
    return generator
