"""What holds for every test."""

from collections.abc import Iterator

import hypothesis
import pytest
import torch

from sorrel_recurrent_ppo.integration.install import uninstall
from sorrel_recurrent_ppo.support.randomness import seed_global_generators, untouched_random_state


def pytest_configure() -> None:
    """Keep PyTorch to one thread, and no test by the clock: they share the machine."""
    torch.set_num_threads(1)
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _nothing_installed() -> Iterator[None]:
    """Start every test without the swap, which an earlier one's Hydra may have installed."""
    uninstall()
    yield
    uninstall()


@pytest.fixture
def own_process() -> Iterator[None]:
    """Take back what a whole run does to the process it is in."""
    threads = torch.get_num_threads()
    with untouched_random_state():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def seeded_worlds() -> Iterator[None]:
    """Seed the global generators, which Sorrel's worlds draw from, and put them back afterwards."""
    with untouched_random_state():
        seed_global_generators(11)
        yield
