"""The reference of the commands, from their own ``--help``. It needs no Sphinx."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

__all__ = ["command_names", "command_page", "help_text"]

PROGRAM = "sorrel-recurrent-ppo"
_CALL = "from sorrel_recurrent_ppo.cli import main; main()"


def command_names() -> list[str]:
    """Return the names of the program's commands, in the order of its help."""
    from sorrel_recurrent_ppo.cli import COMMANDS

    return list(COMMANDS)


def command_page() -> str:
    """Return the help of the program and of all its commands as Markdown."""
    from sorrel_recurrent_ppo.cli import COMMANDS

    written = [f"```text\n{help_text()}\n```", ""]
    for name, command in COMMANDS.items():
        summary = command.summary[0].upper() + command.summary[1:]
        written += [f"(command-{name})=", f"## `{name}`", "", f"{summary}.", ""]
        written += ["```text", help_text(name), "```", ""]
    return "\n".join(written)


def help_text(command: str = "") -> str:
    """Return what a command prints with ``--help``, or the program without a command.

    Raises:
        RuntimeError: The command fails.
    """
    arguments = [command, "--help"] if command else ["--help"]
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [sys.executable, "-c", _CALL, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=elsewhere,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            encoding="utf-8",
        )
    if done.returncode:
        raise RuntimeError(f"{PROGRAM} {' '.join(arguments)} failed: {done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
