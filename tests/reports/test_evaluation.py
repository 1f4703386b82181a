"""Evaluation: epochs are reproducible, and neither models, files nor random streams change."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
from hydra import compose
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.experiments.built_experiment import build_seeded
from sorrel_recurrent_ppo.experiments.experiment import run_experiment
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.reports import evaluation
from sorrel_recurrent_ppo.reports.evaluation import evaluation_seeds
from sorrel_recurrent_ppo.reports.saved_agents import choose_agents
from sorrel_recurrent_ppo.reports.saved_runs import SavedRun
from sorrel_recurrent_ppo.run_files import RunFiles
from support.evaluations import evaluate_briefly, load_into_environment, rewards_of
from support.packaged_configs import packaged_configs
from support.random_streams import global_states
from support.small_runs import N_AGENTS, SMALL_WORLDS

pytestmark = pytest.mark.usefixtures("own_process")


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "evaluation" not in path.parts
    }


@pytest.mark.parametrize("environment", SMALL_WORLDS)
@pytest.mark.parametrize("model", ["lstm_ppo", "iqn"])
def test_evaluation_plays_every_environment_without_changing_the_run(
    environment, model, finished_run, tmp_path
):
    saved_run = finished_run(environment, model)
    before = digests(saved_run.directory)
    found = evaluate_briefly(saved_run, tmp_path)
    assert [(e.mode, e.epoch) for e in found.epochs] == [
        *(("sampled", 0), ("sampled", 1)),
        *(("deterministic", 0), ("deterministic", 1)),
    ]
    for epoch in found.epochs:
        assert len(epoch.agent_rewards) == N_AGENTS[environment]
        np.testing.assert_allclose(epoch.reward, sum(epoch.agent_rewards))
    assert digests(saved_run.directory) == before
    assert list(tmp_path.iterdir()) == []  # such as iowa's own checkpoints


def test_evaluation_computes_on_one_thread(finished_run, tmp_path, monkeypatch):
    threads, play = [], evaluation.play

    def count_threads(*arguments, **options):
        threads.append(torch.get_num_threads())
        return play(*arguments, **options)

    monkeypatch.setattr(evaluation, "play", count_threads)
    torch.set_num_threads(2)
    evaluate_briefly(finished_run(), tmp_path)
    assert (threads, torch.get_num_threads()) == ([1, 1], 2)


def test_evaluation_epochs_depend_only_on_the_seed(finished_run, tmp_path):
    saved_run = finished_run()
    two, three = (evaluate_briefly(saved_run, tmp_path, epochs=n) for n in (2, 3))
    assert [e for e in three.epochs if e.epoch < 2] == two.epochs
    other = evaluate_briefly(saved_run, tmp_path, seed=99)
    assert {e.seed for e in other.epochs}.isdisjoint({e.seed for e in two.epochs})


def test_evaluation_seeds_avoid_training_seeds():
    seeds = evaluation_seeds(5, 3, [5])
    assert len(set(seeds)) == 3
    assert 5 not in seeds
    avoiding = evaluation_seeds(5, 3, [seeds[0]])
    assert avoiding[:2] == seeds[1:]


def test_evaluation_leaves_the_global_streams_untouched(finished_run, tmp_path):
    saved_run = finished_run()
    before = global_states()
    evaluate_briefly(saved_run, tmp_path)
    assert global_states() == before


def test_evaluation_does_not_affect_later_training(finished_run, tmp_path):
    saved_run = finished_run()

    def continue_training():
        env = build_seeded(resolve_config(saved_run.config))
        for index, agent in enumerate(env.agents):
            agent.model.load(saved_run.files.checkpoint(str(index)))  # pyright: ignore[reportAttributeAccessIssue]
        env.run_experiment(animate=False, logging=False, output_dir=tmp_path / "sorrel")
        paths = [tmp_path / f"{index}.pt" for index in range(len(env.agents))]
        for path, agent in zip(paths, env.agents, strict=True):
            agent.model.save(path)
        return [path.read_bytes() for path in paths]

    expected = continue_training()
    evaluate_briefly(saved_run, tmp_path)
    assert continue_training() == expected


def test_evaluation_of_sorrels_models_uses_their_last_epsilon(finished_run, tmp_path):
    overrides = ["model.epsilon_decay=0.5", "model.iqn.epsilon=0.8"]
    saved_run = finished_run("treasurehunt", "iqn", *overrides)
    _, epsilon = load_into_environment(saved_run, choose_agents(saved_run, {})[0])
    assert epsilon == pytest.approx(0.8 * 0.5**2)  # three epochs: 0.8, 0.4, 0.2
    # Deterministic epochs are greedy: their choices draw nothing from the streams that explore.
    once = evaluate_briefly(saved_run, tmp_path, mode="deterministic", max_turns=8)
    assert once.modes == ["deterministic"]
    assert rewards_of(once) == rewards_of(
        evaluate_briefly(saved_run, tmp_path, mode="deterministic", max_turns=8)
    )


def test_evaluation_reports_the_environments_metrics(tmp_path):
    chosen = ["environment=cue_recall", "world.corridor=2", "model.lstm_ppo.hidden_size=8"]
    with packaged_configs():
        config = compose(
            "config", overrides=[*chosen, "experiment.epochs=0", "experiment.max_turns=40"]
        )
    files = RunFiles(tmp_path / "run")
    run_experiment(config, files)
    found = evaluate_briefly(SavedRun(files.directory), tmp_path, max_turns=None)
    assert all(0 <= epoch.values["success_rate"] <= 1 for epoch in found.epochs)
    assert not any(name.startswith("train/") for epoch in found.epochs for name in epoch.values)


def test_evaluation_ignores_the_replacement_schedule(finished_run, tmp_path):
    schedule = ["replacement=attrition", "replacement.probability=1"]
    saved_run = finished_run("treasurehunt", "lstm_ppo", *schedule, "experiment.record_period=1")
    without = tmp_path / "without"
    shutil.copytree(saved_run.directory, without)
    config = OmegaConf.load(without / "config.yaml")
    OmegaConf.update(config, "replacement", None, merge=False)
    OmegaConf.save(config, without / "config.yaml")
    found = evaluate_briefly(saved_run, tmp_path, epochs=3)
    assert [a.agent.name for a in found.agents] == ["4", "5"]  # both at epochs 1 and 2
    assert rewards_of(found) == rewards_of(evaluate_briefly(SavedRun(without), tmp_path, epochs=3))
