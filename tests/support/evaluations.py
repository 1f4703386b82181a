"""Short evaluations of saved runs."""

from sorrel_recurrent_ppo.experiments.built_experiment import build_seeded
from sorrel_recurrent_ppo.experiments.run_config import resolve_config
from sorrel_recurrent_ppo.population.members import population_of
from sorrel_recurrent_ppo.reports.evaluate import EvaluateSettings, evaluate_run
from sorrel_recurrent_ppo.reports.saved_agents import load_saved_agent


def evaluate_briefly(saved_run, tmp_path, *, agents=None, **settings):
    """Evaluate a run for two epochs of six turns in each mode, unless set otherwise."""
    given = {"epochs": 2, "gif": False, "max_turns": 6, **settings}
    return evaluate_run(saved_run, EvaluateSettings(agents=agents or {}, **given), tmp_path)


def rewards_of(evaluation):
    """Return mode and rewards of each epoch."""
    return [(epoch.mode, epoch.reward, *epoch.agent_rewards) for epoch in evaluation.epochs]


def load_into_environment(saved_run, saved_agent, index=0):
    """Load a saved agent into the environment of a run; return the environment and epsilon."""
    env = build_seeded(resolve_config(saved_run.config))
    population = population_of(env)
    assert population is not None
    epsilon = load_saved_agent(population, index, saved_agent, seed=3, device=None)
    return env, epsilon
