"""Requests to stop, by real signals to a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

HANGUP = getattr(signal, "SIGHUP", None)
pytestmark = pytest.mark.skipif(HANGUP is None, reason="the signals of Unix")

# Prints a line when it is ready, and for each turn of a loop until a stop is requested.
LOOP = """
import time
from sorrel_recurrent_ppo.experiments.interruption import stop_requests
with stop_requests() as stop:
    print("ready", flush=True)
    deadline = time.monotonic() + {limit}
    while not stop.requested and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep({after})
print("requested" if stop.requested else "not requested", flush=True)
"""


def start(before="", *, limit=60.0, after=0.0):
    code = textwrap.dedent(before) + LOOP.format(limit=limit, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_requests_a_stop(name):
    process = start()
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "requested\n")
    assert errors.strip().startswith("Stopping" if name != "SIGHUP" else "")


def test_second_signal_interrupts_but_a_second_hangup_does_not():
    process = start(after=0.5)
    os.kill(process.pid, signal.SIGHUP)
    os.kill(process.pid, signal.SIGHUP)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "requested\n")
    process = start(after=30)
    os.kill(process.pid, signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert errors.splitlines()[-1] == "KeyboardInterrupt"


def test_ignored_hangup_stays_ignored():
    ignored = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = start(ignored, limit=0.5)
    process.send_signal(signal.SIGHUP)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "not requested\n")


def test_system_without_the_signal_has_the_others():
    process = start("import signal\ndel signal.SIGHUP\n")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "requested\n")


def test_handlers_are_restored():
    from sorrel_recurrent_ppo.experiments.interruption import stop_requests

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    before = [signal.getsignal(getattr(signal, name)) for name in names]
    with stop_requests() as stop:
        assert [signal.getsignal(getattr(signal, name)) for name in names] == [stop] * 3
    assert [signal.getsignal(getattr(signal, name)) for name in names] == before
