"""The state of a run has the same size after any number of epochs."""

import tracemalloc

import pytest

from sorrel_recurrent_ppo.experiments.built_experiment import build_experiment
from sorrel_recurrent_ppo.experiments.interruption import StopRequest
from sorrel_recurrent_ppo.experiments.resume.run_checkpoints import RunCheckpoints
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.experiments.run_sinks import build_logger
from sorrel_recurrent_ppo.population.member import REWARDS_KEPT, Member
from sorrel_recurrent_ppo.run_files import RunFiles
from support.small_runs import small_config

pytestmark = pytest.mark.usefixtures("own_process")


def test_state_and_memory_do_not_grow_with_the_epochs(tmp_path):
    settings = ("quiet=true", "experiment.epochs=100000", "checkpoint_period=1000")
    experiment = build_experiment(resolve_config(small_config("tag", "lstm_ppo", *settings)))
    files, population = RunFiles(tmp_path), experiment.population
    logger = build_logger(experiment, files, state=None, plain=True, stop=StopRequest())
    checkpoints = RunCheckpoints(
        experiment, logger, files, period=1000, first_epoch=0, stop=StopRequest()
    )
    sizes, memory = {}, {}
    tracemalloc.start()
    for epoch in range(5001):
        population.epoch = epoch
        logger.record_epoch(epoch, loss=0.5, reward=epoch / 7)
        for member in population.members:
            member.epoch_reward = epoch / 3
            member.complete_epoch(0)
        checkpoints(experiment.runner, epoch)
        if epoch % 1000 == 0:
            sizes[epoch] = files.run_state.stat().st_size
            memory[epoch] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    logger.close()
    assert abs(sizes[5000] - sizes[1000]) < 300  # digits of counters
    assert abs(memory[5000] - memory[1000]) < 100_000  # 8 bytes for each epoch and agent: 96,000


def test_member_keeps_the_rewards_that_a_schedule_reads():
    member = Member(0, "0", "iqn", -1, None)
    for epoch in range(1000):
        member.epoch_reward = epoch
        member.complete_epoch(300)
    assert member.n_epochs == 1000
    assert member.rewards == [*range(700, 1000)]
    member.complete_epoch(0)
    assert len(member.rewards) == REWARDS_KEPT
    assert Member.from_state(member.state_dict()) == member


def test_member_of_version_0_1_0_has_an_epoch_per_reward():
    saved = {"index": 0, "name": "0", "model_name": "iqn", "joined_epoch": -1, "seed": None}
    assert Member.from_state({**saved, "rewards": [1.0, 2.0]}).n_epochs == 2
