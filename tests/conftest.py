"""What holds for every test."""

import torch


def pytest_configure() -> None:
    """Keep PyTorch to one thread: the tests run in several processes at once."""
    torch.set_num_threads(1)
