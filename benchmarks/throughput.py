"""Measure the throughput of acting and training, compared with peers and the machine's limit.

python benchmarks/throughput.py              # all rows, some minutes
python benchmarks/throughput.py --quick      # rough figures, about a minute
python benchmarks/throughput.py --only acting --json acting.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from effort import FULL, QUICK
from machine import describe_machine, use_one_thread
from report import print_report, write_json
from rows import ROWS


def main() -> None:
    arguments = _parse_arguments()
    use_one_thread()
    effort = QUICK if arguments.quick else FULL
    console = Console(width=None if sys.stdout.isatty() else 120)
    machine = describe_machine()
    console.print(machine)
    rows = []
    for name in arguments.only or ROWS:
        with console.status(f"measuring {name}"):
            rows.append(ROWS[name](effort))
        if arguments.json:
            write_json(arguments.json, machine, rows)
    print_report(rows, console)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument(
        "--only", action="append", choices=list(ROWS), help="row to measure; may be repeated"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
