"""Small complete runs in Sorrel's examples, in the process of the test."""

import csv

import torch
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.experiments import experiment
from sorrel_recurrent_ppo.run_files import RunFiles
from support.packaged_configs import packaged_configs

SMALL_WORLDS = {
    "treasurehunt": ["world.height=7", "world.width=7", "world.spawn_prob=0.3"],
    "cleanup": [
        *("env.height=9", "env.width=11", "env.initial_apples=9", "env.apple_spawn_chance=0.3"),
        *("agent.agent.num=3", "agent.agent.obs.vision=2", "env.pollution_threshold=1.0"),
    ],
    "tag": ["world.height=6", "world.width=6", "agent.num_agents=3", "agent.vision_radius=2"],
    "iowa": ["world.height=7", "world.width=7", "world.spawn_prob=0.3"],
}
EVERY_WORLD = {
    **SMALL_WORLDS,
    "cue_recall": ["world.corridor=2", "experiment.max_turns=16", "agent.num_agents=2"],
    "state_punishment": ["world.height=7", "world.width=7", "agent.vision_radius=2"],
}
# A newcomer joins in every epoch but the first.
TURNOVER = [
    *("replacement=turnover", "replacement.minimum_tenure=1"),
    *("replacement.start_epoch=1", "replacement.every=1"),
]
N_AGENTS = {"treasurehunt": 2, "cleanup": 3, "tag": 3, "iowa": 2}
SMALL_PPO = ["hidden_size=8", "rollout_length=10", "batch_size=10", "sequence_length=4"]
SMALL_MODELS = {
    "gru_ppo": [f"model.gru_ppo.{setting}" for setting in SMALL_PPO],
    "lstm_ppo": [f"model.lstm_ppo.{setting}" for setting in SMALL_PPO],
    "iqn": ["model.iqn.layer_size=8", "model.iqn.batch_size=4"],
}


def small_config(environment="treasurehunt", model="lstm_ppo", *overrides):
    chosen = [
        *(f"environment={environment}", f"model={model}", "seed=5"),
        *("experiment.epochs=2", "experiment.max_turns=8"),
        *EVERY_WORLD[environment],
        *SMALL_MODELS[model],
        *overrides,
    ]
    with packaged_configs():
        return compose("config", overrides=chosen)


def run(directory, *config):
    files = RunFiles(directory)
    summary = experiment.run_experiment(small_config(*config), files)
    return files, summary


def resume(files, *changes):
    """Resume a run with changes of its config such as ``"experiment.epochs=3"``."""
    config = OmegaConf.merge(OmegaConf.load(files.config), OmegaConf.from_dotlist(list(changes)))
    assert isinstance(config, DictConfig)
    return experiment.run_experiment(config, files, resume=True)


def without_times(path):
    """Return the rows of a CSV file without wall times."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("seconds", None)
    return rows


def weights(file):
    """Return every floating-point tensor of a checkpoint, by its path in the file."""
    found = {}

    def collect(value, path):
        if isinstance(value, dict):
            for key, inner in value.items():
                collect(inner, (*path, key))
        elif isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim:
            found[path] = value

    checkpoint = torch.load(file, weights_only=True)
    collect({k: v for k, v in checkpoint.items() if not k.startswith("optim")}, ())
    return found
