"""Freed memory is kept in the process from one update to the next."""

import platform
import subprocess
import sys

import pytest

UPDATES = """
import resource
import numpy as np, torch
from sorrel_recurrent_ppo.models import RecurrentPPOLSTM
torch.set_num_threads(1)

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(500):
        model.take_action(observation)
        model.add_memory_ppo(1.0, False)
    model.learn()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

model = RecurrentPPOLSTM((150,), 4, seed=1, batch_size=256, target_kl=None)
observation = np.ones((1, 150))
new_pages(), new_pages()
print(min(new_pages() for _ in range(3)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="affects glibc only")
def test_update_reuses_the_memory_of_the_previous_update(monkeypatch):
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    run = subprocess.run([sys.executable, "-c", UPDATES], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    # Otherwise several thousand: hundreds of arrays of a hundred pages and more.
    assert int(run.stdout) < 1_000
