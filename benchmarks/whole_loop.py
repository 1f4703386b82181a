"""Measure whole runs, in agent steps per second, and what their time is spent on.

    python benchmarks/whole_loop.py --shares                          # all workloads, ten agents
    python benchmarks/whole_loop.py --agents 2 10 50 --only "cleanup, flattened"
    python benchmarks/whole_loop.py --beside ../earlier-checkout --threads 2

Every measurement is a run of its own process, whose first epochs are not counted. Contestants take
turns. ``--beside`` names a checkout of an earlier version, which runs with the same settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loop_runs import WORKLOADS, Contestant, LoopWorkload, contestants_of, rate_of, shares_of
from machine import describe_machine, use_one_thread
from report import Claim, Figure, Row, print_report, write_json
from timing import interleave, per_round

_OVER_IQN = 1.8
_LEAST_LOOP = 3.0  # plain over accelerated, without acting, storing and training


def main() -> None:
    arguments = _parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    machine = describe_machine()
    console.print(machine)
    rows = []
    for name in arguments.only or WORKLOADS:
        workload = WORKLOADS[name]
        contestants = contestants_of(workload, arguments.threads, arguments.beside)
        for n_agents in arguments.agents:
            row = _rates(workload, contestants, f"{name}, {n_agents} agents", n_agents, arguments)
            rows.append(row)
            print_report([row], console)
            if arguments.shares and workload.environment:
                rows.append(_shares(workload, row.name, n_agents, arguments.rounds, console))
            if arguments.json:
                write_json(arguments.json, machine, rows)


def _rates(
    workload: LoopWorkload,
    contestants: Sequence[Contestant],
    title: str,
    n_agents: int,
    arguments: argparse.Namespace,
) -> Row:
    """Measure the steps per second of the contestants in turns."""
    measurements = {
        c.name: partial(rate_of, workload, c, n_agents, arguments.epochs) for c in contestants
    }
    samples = interleave(measurements, arguments.rounds)
    claims = [
        Claim(
            f"{ours.name} over {other.name}",
            per_round(samples[ours.name], samples[other.name]),
            _OVER_IQN if other.kind == "iqn" else workload.over_earlier[ours.threads > 1],
            "at least",
        )
        for other in contestants
        for ours in contestants
        if ours.kind == "this" != other.kind
    ]
    return Row(title, [Figure(name, values, "steps/s") for name, values in samples.items()], claims)


def _shares(
    workload: LoopWorkload, title: str, n_agents: int, n_rounds: int, console: Console
) -> Row:
    """Measure and print the time of an agent step by part of the loop."""
    use_one_thread()
    samples: dict[str, list[Mapping[str, float]]] = {"plain": [], "accelerated": []}
    for _ in range(n_rounds):
        for name, found in samples.items():
            found.append(shares_of(workload, n_agents, is_accelerated=name == "accelerated"))
    table = Table("part", "plain, us", "share", "accelerated, us", "share", title=title)
    best = {
        name: min(found, key=lambda parts: sum(parts.values())) for name, found in samples.items()
    }
    for part in best["plain"]:
        cells = []
        for parts in best.values():
            cells += [f"{parts[part]:.0f}", f"{parts[part] / sum(parts.values()):.0%}"]
        table.add_row(part, *cells)
    console.print(table)
    loop = {name: [_sorrels_loop(parts) for parts in found] for name, found in samples.items()}
    figures = [
        Figure(f"{name}: {part}", [parts[part] for parts in found], "us/step")
        for name, found in samples.items()
        for part in found[0]
    ]
    ratios = per_round(loop["plain"], loop["accelerated"])
    claim = Claim("Sorrel's own loop, plain over accelerated", ratios, _LEAST_LOOP, "at least")
    row = Row(f"{title}: shares", figures, [claim])
    print_report([row], console)
    return row


def _sorrels_loop(parts: Mapping[str, float]) -> float:
    """Return the time that is not the models'."""
    return sum(parts[name] for name in ("reset", "observe", "the rest"))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, metavar="WORKLOAD")
    parser.add_argument("--agents", nargs="+", type=int, default=[10])
    parser.add_argument("--threads", type=int, default=1, help="also with this many threads")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="an earlier version")
    parser.add_argument("--epochs", type=int, default=10, help="epochs that are counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shares", action="store_true", help="also measure the parts of the loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
