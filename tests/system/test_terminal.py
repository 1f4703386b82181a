"""A run on a terminal: what Ctrl-C shows, what remains on the screen, and a closed terminal."""

import os
import re
import subprocess
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals are a feature of Unix")

COMMAND = [
    *(sys.executable, "-m", "sorrel_recurrent_ppo"),
    *("run", "environment=tag", "model=lstm_ppo", "experiment.epochs=100000", "seed=1"),
    *("experiment.max_turns=20", "model.lstm_ppo.hidden_size=8", "hydra.run.dir=run"),
]


def start_on_a_terminal(directory):
    """Start the command as the leader of a terminal's session; return it and the other side."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        COMMAND,
        cwd=directory,
        env=environment,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: _make_controlling_terminal(follower),
    )
    os.close(follower)
    return process, leader


def run_and_interrupt(directory):
    """Run, press Ctrl-C once the first epochs are shown; return the exit code and the output."""
    process, leader = start_on_a_terminal(directory)
    output, pressed, deadline = b"", False, time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            output += os.read(leader, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not pressed and re.search(rb"epoch [1-9]", output):
            os.write(leader, b"\x03")
            pressed = True
    os.close(leader)
    return process.wait(timeout=60), output.decode(errors="replace")


def _make_controlling_terminal(descriptor):
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


@pytest.mark.slow
def test_ctrl_c_is_shown_in_the_live_view_and_in_the_log(tmp_path):
    code, output = run_and_interrupt(tmp_path)
    assert code == 130
    stopping = "Stopping after this epoch, which will be saved; Ctrl-C again stops at once."
    assert stopping in output
    _, _, end = output.rpartition(stopping)
    assert "To resume: sorrel-recurrent-ppo run resume=run" in output
    assert end.count("epoch ") <= 2  # the last view, and the line about the saved epoch
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert re.search(r"Stopping after epoch \d+, as requested", log)


@pytest.mark.slow
def test_closed_terminal_stops_the_run_after_the_epoch_with_its_state_saved(tmp_path):
    process, leader = start_on_a_terminal(tmp_path)
    output = b""
    while not re.search(rb"epoch [1-9]", output):
        output += os.read(leader, 65536)
    os.close(leader)  # the system sends SIGHUP, and every later write to the terminal fails
    assert process.wait(timeout=60) == 130
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    stopped = re.search(r"Stopped after epoch (\d+), which is saved. To resume: .* resume=run", log)
    assert stopped is not None
    rows = (tmp_path / "run" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert rows[-1].startswith(f"{stopped[1]},")
    assert (tmp_path / "run" / "run_state.pt").exists()
