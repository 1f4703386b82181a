"""The command line: ``sorrel-recurrent-ppo COMMAND ...``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sorrel_recurrent_ppo.errors import did_you_mean

__all__ = ["COMMANDS", "Command", "main"]

PROGRAM = "sorrel-recurrent-ppo"


class Command(NamedTuple):
    """A command of the program.

    Attributes:
        summary: One line for the program's help.
        run: Gets the arguments after the command's name.
    """

    summary: str
    run: Callable[[Sequence[str]], None]


def main() -> None:
    """Run the program on the arguments in ``sys.argv``."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments.remove("--debug")
        os.environ["HYDRA_FULL_ERROR"] = "1"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    name, *rest = arguments
    if name not in COMMANDS:
        sys.exit(
            f"{PROGRAM}: there is no command '{name}'.{did_you_mean(name, COMMANDS)}\n{_usage()}"
        )
    try:
        COMMANDS[name].run(rest)
    except KeyboardInterrupt:
        print(f"{PROGRAM} {name}: stopped by the keyboard", file=sys.stderr)
        sys.exit(130)  # what a shell makes of an interrupted program


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"Usage: {PROGRAM} COMMAND [--debug] ...",
            "",
            "Commands:",
            *lines,
            "",
            f"More: {PROGRAM} COMMAND --help. --debug shows the traceback of an error.",
        ]
    )


def _run(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo import run

    sys.argv = [f"{PROGRAM} run", *arguments]  # where Hydra reads its arguments
    run.main()


def _models(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.registry import available_models

    if arguments:
        print(f"Usage: {PROGRAM} models\nLists the models that model=... can name.")
        return
    print("\n".join(available_models()))


COMMANDS = {
    "run": Command("train agents in a Sorrel environment (a Hydra application)", _run),
    "models": Command("list the models that can be chosen", _models),
}
