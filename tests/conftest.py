"""What holds for every test."""

import hypothesis
import torch


def pytest_configure() -> None:
    """Keep PyTorch to one thread, and no test by the clock: they share the machine."""
    torch.set_num_threads(1)
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
