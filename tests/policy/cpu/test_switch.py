"""The switch that turns the CPU kernels off."""

import json
import os
import subprocess
import sys

import pytest

from sorrel_recurrent_ppo.policy.cpu.switch import KERNELS_VARIABLE, kernels_enabled

SCRIPT = """
import json
import numpy as np
import torch
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.policy.cpu.matmul import supports_onednn

torch.set_num_threads(1)
x, weight = torch.ones(3, 5), torch.ones(2, 5)
found = {"onednn": supports_onednn(x, weight), "weights": []}
for cls in (RecurrentPPOLSTM, DualHeadRecurrentPPO):
    model = cls((7,), 4, seed=1, hidden_size=11, rollout_length=40, batch_size=20, n_epochs=2)
    rng = np.random.default_rng(3)
    for _ in range(40):
        model.take_action(rng.normal(size=7), deterministic=True)
        model.add_memory_ppo(float(rng.normal()), False)
    found.setdefault("numpy steps", model._step._numpy_step is not None)
    model.learn()
    found["weights"] += [weight.double().abs().sum().item() for weight in model.parameters()]
print(json.dumps(found))
"""


def run_with_switch(value):
    environment = {**os.environ, KERNELS_VARIABLE: value}
    completed = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(completed.stdout)


def test_switch_off_uses_pytorch_alone_with_equal_results():
    on, off = run_with_switch("on"), run_with_switch("off")
    assert on["numpy steps"]
    assert not off["numpy steps"]
    assert not off["onednn"]
    assert off["weights"] == pytest.approx(on["weights"], rel=1e-4)


@pytest.mark.parametrize(
    ("value", "enabled"), [("", True), ("on", True), ("OFF ", False), ("0", False), ("no", False)]
)
def test_switch_reads_the_environment_variable(value, enabled, monkeypatch):
    monkeypatch.setenv(KERNELS_VARIABLE, value)
    assert kernels_enabled.__wrapped__() is enabled
