"""Processes that train or resume a run, to be killed."""

import multiprocessing
import os

from omegaconf import DictConfig, OmegaConf

from sorrel_recurrent_ppo.run_files import RunFiles

SPAWNED = multiprocessing.get_context("spawn")
# A server process imports the package once, which takes seconds; the runs are its forks.
HAS_FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
PROCESSES = multiprocessing.get_context("forkserver") if HAS_FORKS else SPAWNED
PROCESSES.set_forkserver_preload(["sorrel_recurrent_ppo.experiments.experiment"])


def start_or_resume(directory, config_text, ready):
    """Start the run, or resume it if its directory exists."""
    import torch

    from sorrel_recurrent_ppo.experiments import experiment

    torch.set_num_threads(1)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 1)
    files = RunFiles(directory)
    config = OmegaConf.create(config_text)
    assert isinstance(config, DictConfig)
    ready.set()
    try:
        experiment.run_experiment(config, files, resume=files.config.exists())
    except KeyboardInterrupt:
        os._exit(130)


def start_process(directory, config, context=PROCESSES):
    ready = context.Event()
    arguments = (directory, OmegaConf.to_yaml(config), ready)
    process = context.Process(target=start_or_resume, args=arguments)
    process.start()
    ready.wait()
    return process


def epochs_in(files):
    return len(files.metrics.read_text().splitlines()) - 1 if files.metrics.exists() else -1
