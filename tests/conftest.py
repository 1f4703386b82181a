"""Settings and fixtures for all tests."""

import signal
from collections.abc import Iterator

import hypothesis
import pytest
import torch
from sorrel.environment import Environment

from sorrel_recurrent_ppo.acceleration.switch import accelerate
from sorrel_recurrent_ppo.integration.install import uninstall
from sorrel_recurrent_ppo.support.log_once import forget_logged
from sorrel_recurrent_ppo.support.randomness import seed_global_generators, untouched_random_state
from support.crashes import Crash


def pytest_configure() -> None:
    """Limit PyTorch to one thread and remove time limits, because tests run in parallel.

    ``nohup`` ignores SIGHUP, which processes that tests start would inherit.
    """
    torch.set_num_threads(1)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _nothing_installed() -> Iterator[None]:
    """Run every test with Sorrel as it is, though Hydra's plugin may install, and no messages."""
    uninstall()
    accelerate(False)
    forget_logged()
    yield
    uninstall()
    accelerate(False)


@pytest.fixture
def own_process() -> Iterator[None]:
    """Restore the process-wide state that a run changes: threads and random streams."""
    threads = torch.get_num_threads()
    with untouched_random_state():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def seeded_worlds() -> Iterator[None]:
    """Seed the global generators, which Sorrel's worlds draw from, and restore them afterwards."""
    with untouched_random_state():
        seed_global_generators(11)
        yield


@pytest.fixture
def crash_at(monkeypatch):
    """Make the next run raise `Crash` at a turn, counted over all epochs."""
    take_turn = Environment.take_turn

    def prepare(turn):
        left = [turn]

        def crash(env, epoch=0):
            left[0] -= 1
            if left[0] < 0:
                monkeypatch.setattr(Environment, "take_turn", take_turn)
                raise Crash
            return take_turn(env, epoch)

        monkeypatch.setattr(Environment, "take_turn", crash)

    return prepare
