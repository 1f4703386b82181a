"""The command line: ``sorrel-recurrent-ppo COMMAND ...``."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple, NoReturn

from sorrel_recurrent_ppo.errors import unknown_name
from sorrel_recurrent_ppo.experiments.interruption import INTERRUPTED

__all__ = ["COMMANDS", "Command", "main"]

PROGRAM = "sorrel-recurrent-ppo"
WRONG_INPUT = 2


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
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    name, *rest = arguments
    if name not in COMMANDS:
        message = unknown_name("there is no command", name, COMMANDS)
        _stop(f"{PROGRAM}: {message}\n{_usage()}", WRONG_INPUT)
    try:
        with nullcontext() if debug else _suppress_tracebacks():
            COMMANDS[name].run(rest)
    except KeyboardInterrupt:
        _stop(f"{PROGRAM} {name}: stopped by the keyboard", INTERRUPTED)
    except Exception as error:
        from sorrel_recurrent_ppo.cli.error_sentences import error_sentence

        told = None if debug else error_sentence(error)
        if told is None:
            raise
        _stop(f"{PROGRAM} {name}: {told}", WRONG_INPUT)


@contextmanager
def _suppress_tracebacks() -> Iterator[None]:
    """Keep loggers and threads that meet a full disk from printing tracebacks of their own.

    What a thread of TensorBoard's meets is raised again in ours.
    """
    raised, otherwise = logging.raiseExceptions, threading.excepthook

    def tell(caught: threading.ExceptHookArgs) -> None:
        from sorrel_recurrent_ppo.cli.error_sentences import error_sentence

        if caught.exc_value is None or error_sentence(caught.exc_value) is None:
            otherwise(caught)

    logging.raiseExceptions, threading.excepthook = False, tell
    try:
        yield
    finally:
        logging.raiseExceptions, threading.excepthook = raised, otherwise


def _stop(message: str, exit_code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(exit_code)


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
    from sorrel_recurrent_ppo.experiments import run

    settings = ["quiet=true" if argument == "--quiet" else argument for argument in arguments]
    sys.argv = [f"{PROGRAM} run", *settings]  # where Hydra reads its arguments
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to a report of Hydra's own
    run.main()


def _compare(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.reports import compare

    compare.main(arguments)


def _evaluate(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.reports import evaluate

    evaluate.main(arguments)


def _inspect(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.reports import inspect_states

    inspect_states.main(arguments)


def _models(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.registry import available_models

    if arguments:
        print(f"Usage: {PROGRAM} models\nLists the models that model=... can name.")
        return
    print("\n".join(available_models()))


COMMANDS = {
    "run": Command("train agents in a Sorrel environment (a Hydra application)", _run),
    "compare": Command(
        "compare runs: interquartile means over seeds, as a table and a picture", _compare
    ),
    "evaluate": Command("play the saved agents of a run without training them", _evaluate),
    "inspect": Command("draw what the agents of a run keep in mind", _inspect),
    "models": Command("list the models that can be chosen", _models),
}
