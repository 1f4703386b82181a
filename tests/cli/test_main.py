"""The entry point of the command line: its commands, exit codes and tracebacks."""

import errno
import threading

import pytest

from sorrel_recurrent_ppo import cli
from sorrel_recurrent_ppo.registry import available_models


def test_main_without_a_command_lists_the_commands(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo"])
    cli.main()
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_main_suggests_the_closest_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "rum"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "there is no command 'rum'. Did you mean 'run'?" in capsys.readouterr().err


def test_models_lists_the_available_models(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models"])
    cli.main()
    assert capsys.readouterr().out.split() == list(available_models())


def test_main_suppresses_tracebacks_of_threads_on_a_full_disk(monkeypatch):
    printed = []
    monkeypatch.setattr("threading.excepthook", printed.append)

    def fail(arguments):
        for error in (OSError(errno.ENOSPC, "full"), ZeroDivisionError("bug")):

            def raise_it(error=error):
                raise error

            thread = threading.Thread(target=raise_it)
            thread.start()
            thread.join()

    before = threading.excepthook
    monkeypatch.setitem(cli.COMMANDS, "models", cli.Command("fails", fail))
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models"])
    cli.main()
    assert [caught.exc_type for caught in printed] == [ZeroDivisionError]
    assert threading.excepthook is before
    printed.clear()
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "models", "--debug"])
    cli.main()
    assert [caught.exc_type for caught in printed] == [OSError, ZeroDivisionError]
