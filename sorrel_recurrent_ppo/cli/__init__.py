"""The command line: ``sorrel-recurrent-ppo COMMAND ...``."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import NamedTuple, NoReturn

from sorrel_recurrent_ppo.errors import JobFailed, unknown_name
from sorrel_recurrent_ppo.experiments.interruption import INTERRUPTED

__all__ = ["COMMANDS", "Command", "main"]

PROGRAM = "sorrel-recurrent-ppo"
USER_ERROR = 2
_FRAMES = ("sorrel_recurrent_ppo.", "hydra.", "functools", "contextlib")
_SWEEP_FLAGS = ("-m", "--multirun")


class Command(NamedTuple):
    """A command of the program.

    Attributes:
        summary: One line for the program's help.
        run: The function that is called with the arguments after the command's name.
    """

    summary: str
    run: Callable[[Sequence[str]], None]


def main() -> None:
    """Run the program on the arguments in ``sys.argv``."""
    _replace_unencodable_characters()
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
        _exit(f"{PROGRAM}: {message}\n{_usage()}", USER_ERROR)
    if name != "run":  # which Hydra configures
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        with nullcontext() if debug else _suppress_tracebacks():
            COMMANDS[name].run(rest)
    except KeyboardInterrupt:
        _exit(f"{PROGRAM} {name}: interrupted", INTERRUPTED)
    except JobFailed as failed:
        _report(name, failed.__cause__ or failed, debug=debug)
    except Exception as error:
        _report(name, error, debug=debug)


def _replace_unencodable_characters() -> None:
    """Print ``?`` for a character that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _report(command: str, error: BaseException, *, debug: bool) -> NoReturn:
    """End the program with the message for an error, or with its traceback if there is none."""
    from sorrel_recurrent_ppo.cli.error_messages import user_message

    message = None if debug else user_message(error)
    if message is None:
        raise error if debug else error.with_traceback(_own_frames(error))
    _exit(f"{PROGRAM} {command}: {message}", USER_ERROR)


def _own_frames(error: BaseException) -> TracebackType | None:
    """Return an error's traceback from where it has left this package and Hydra, if it has.

    The error is one of the environment's own code, which the frames before do not concern.
    """
    start = error.__traceback__
    while start is not None and start.tb_frame.f_globals.get("__name__", "").startswith(_FRAMES):
        start = start.tb_next
    return start or error.__traceback__


@contextmanager
def _suppress_tracebacks() -> Iterator[None]:
    """Suppress the tracebacks that loggers and threads print for errors such as a full disk.

    TensorBoard re-raises the errors of its thread in the main thread.
    """
    raise_exceptions, former_hook = logging.raiseExceptions, threading.excepthook

    def hook(caught: threading.ExceptHookArgs) -> None:
        from sorrel_recurrent_ppo.cli.error_messages import user_message

        if caught.exc_value is None or user_message(caught.exc_value) is None:
            former_hook(caught)

    logging.raiseExceptions, threading.excepthook = False, hook
    try:
        yield
    finally:
        logging.raiseExceptions, threading.excepthook = raise_exceptions, former_hook


def _exit(message: str, exit_code: int) -> NoReturn:
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
            f"See {PROGRAM} COMMAND --help for details. --debug prints the traceback of an error.",
        ]
    )


def _run(arguments: Sequence[str]) -> None:
    from sorrel_recurrent_ppo.experiments import run

    settings = ["quiet=true" if argument == "--quiet" else argument for argument in arguments]
    # Hydra reads its arguments from here. Its parser stops at a flag behind the settings.
    sys.argv = [f"{PROGRAM} run", *sorted(settings, key=lambda text: text not in _SWEEP_FLAGS)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise errors instead of printing them
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
        print(f"Usage: {PROGRAM} models\nList the names that model=... accepts.")
        return
    print("\n".join(available_models()))


COMMANDS = {
    "run": Command("train agents in a Sorrel environment (a Hydra application)", _run),
    "compare": Command(
        "compare runs: interquartile means over seeds, as a table and a plot", _compare
    ),
    "evaluate": Command("play the saved agents of a run without training", _evaluate),
    "inspect": Command("plot the recorded hidden states of an agent", _inspect),
    "models": Command("list the available models", _models),
}
