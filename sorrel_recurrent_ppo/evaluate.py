"""``sorrel-recurrent-ppo evaluate``."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    raise NotImplementedError
