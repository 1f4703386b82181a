"""The package as a module: ``python -m sorrel_recurrent_ppo``."""

import subprocess
import sys


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "sorrel_recurrent_ppo", "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "lstm_ppo" in done.stdout.split()
    wrong = subprocess.run([*command[:-1], "modles"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "Did you mean 'models'?" in wrong.stderr
