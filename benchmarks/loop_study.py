"""A study with an environment per agent and models given by hand; prints its steps per second.

Run by ``whole_loop.py``, also with earlier versions: it uses names that all versions have.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo import RecurrentPPOLSTM
from support.complete_study import CONFIG, build

_TURNS = 100
_SETTINGS = {
    **{"action_dims": [5, 3], "obs_type": "flattened", "sequence_length": 32},
    **{"rollout_length": 500, "batch_size": 128, "n_epochs": 5},
}


def main() -> None:
    n_agents, n_warm_up, n_epochs = map(int, sys.argv[1:4])
    torch.set_num_threads(1)
    if "accelerate=true" in sys.argv:
        sorrel_recurrent_ppo.accelerate()
    never = n_warm_up + n_epochs + 1
    village = build(
        {
            **CONFIG,
            "experiment": {"epochs": n_warm_up - 1, "max_turns": _TURNS, "record_period": never},
            "model": {"n_agents": n_agents},
            "study": {
                **dict.fromkeys(("newcomer", "insertion", "removal"), never),
                **{"n_elders": 1, "probe_every": never},
            },
        }
    )
    for seed, agent in enumerate(village.everyone):
        size = (5 * 5 * 5 + 2,)
        model: Any = RecurrentPPOLSTM(size, 15, seed=seed, **_SETTINGS)
        # Earlier versions lack what the study reads.
        for name, value in (("n_frames", 1), ("batch_size", 1)):
            if not hasattr(model, name):
                setattr(model, name, value)
        agent.model = model
    village.run_experiment()
    village.config.experiment.epochs = n_epochs - 1
    start = time.perf_counter()
    village.run_experiment()
    print(n_agents * n_epochs * _TURNS / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
