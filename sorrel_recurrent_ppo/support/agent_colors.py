"""Colours and line styles of curves: an agent has the same in every picture."""

from __future__ import annotations

__all__ = ["PALETTE", "agent_style", "curve_style"]

# Okabe and Ito's palette for colour-blind readers, without yellow, which is faint on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
_LINE_STYLES = ("-", "--", ":", "-.")


def curve_style(number: int) -> tuple[str, str]:
    """Return the colour and the line style of a curve.

    Args:
        number: Its number: the first seven differ by colour, later ones by line style as well.
    """
    return PALETTE[number % len(PALETTE)], _LINE_STYLES[number // len(PALETTE) % len(_LINE_STYLES)]


def agent_style(name: str) -> tuple[str, str]:
    """Return the colour and the line style of an agent.

    Args:
        name: The agent's lasting name, a number.
    """
    return curve_style(int(name) if name.isdecimal() else sum(name.encode()))
