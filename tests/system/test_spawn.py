"""Spawned processes, as on Windows and macOS, instead of forked ones."""

import pickle

import pytest

from sorrel_recurrent_ppo.run_files import RunFiles
from support.random_streams import assert_same_training, train_briefly
from support.run_comparison import assert_same_runs
from support.run_processes import SPAWNED, start_process
from support.small_models import MODELS, small_model
from support.small_runs import run, small_config

THREADS = ("tag", "lstm_ppo", "threads=2", "checkpoint_period=1")


@pytest.mark.usefixtures("own_process")
def test_run_with_parallel_training_is_the_same_in_a_spawned_process(tmp_path):
    spawned = RunFiles(tmp_path / "spawned")
    for epochs in (1, 3):  # started, and resumed
        config = small_config(*THREADS, f"experiment.epochs={epochs}")
        config.log_period = 1
        process = start_process(spawned.directory, config, SPAWNED)
        process.join()
        assert process.exitcode == 0
        if epochs == 1:
            spawned.config.write_text(
                spawned.config.read_text(encoding="utf-8").replace("epochs: 1", "epochs: 3"),
                encoding="utf-8",
            )
    files, _ = run(tmp_path / "run", *THREADS, "experiment.epochs=3")
    assert_same_runs(spawned, files)


def train_pickled(pickled):
    return train_briefly(pickle.loads(pickled))


def test_pickled_models_train_the_same_in_a_spawned_process():
    models = [small_model(name) for name in MODELS]
    with SPAWNED.Pool(1) as pool:
        # As bytes: PyTorch would share the tensors of models between the processes.
        trained = pool.map(train_pickled, [pickle.dumps(model) for model in models])
    for model, result in zip(models, trained, strict=True):
        assert_same_training(result, train_briefly(model))
