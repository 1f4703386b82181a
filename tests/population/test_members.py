"""Members by lasting names, and their rewards."""

import pytest

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.population.member import Member
from sorrel_recurrent_ppo.population.members import Population, population_of
from sorrel_recurrent_ppo.registry import build_model
from support.strange_environment import StrangeEnvironment, strange_environment

SMALL = {"hidden_size": 8, "rollout_length": 10, "sequence_length": 5, "batch_size": 5}


@pytest.fixture
def env():
    install()
    yield strange_environment(model={"type": ["lstm_ppo", "gru_ppo", "lstm_ppo"]}, seed=1)
    uninstall()


def population(env) -> Population:
    found = population_of(env)
    assert found is not None
    return found


def newcomer(env, seed=9):
    agent = env.agents[1]
    return build_model(
        "lstm_ppo",
        observation_spec=agent.observation_spec,
        action_spec=agent.action_spec,
        seed=seed,
        **SMALL,
    )


def test_first_members_are_named_by_index(env):
    members = population(env).members
    assert [(m.index, m.name, m.model_name) for m in members] == [
        (0, "0", "lstm_ppo"),
        (1, "1", "gru_ppo"),
        (2, "2", "lstm_ppo"),
    ]
    assert [m.joined_epoch for m in members] == [-1] * 3
    assert len({m.seed for m in members}) == 3
    assert [m.seed for m in members] == [agent.model.seed for agent in env.agents]


def test_rewards_are_counted_per_member_and_epoch(env):
    assert population(env).epoch == -1
    totals = env.run_experiment(4)
    assert population(env).epoch == 3
    rewards = [m.rewards for m in population(env).members]
    assert [sum(each) for each in zip(*rewards, strict=True)] == totals
    assert [m.epoch_reward for m in population(env).members] == [each[-1] for each in rewards]


def test_a_second_run_counts_its_epochs_from_the_start_and_keeps_the_rewards(env):
    env.run_experiment(2)
    env.run_experiment(3)
    assert population(env).epoch == 2
    assert [m.n_epochs for m in population(env).members] == [5] * 3


def test_interrupted_epoch_is_not_counted(env):
    def stop(environment, epoch):
        if epoch == 2:
            raise KeyboardInterrupt

    population(env).epoch_start_callbacks.append(stop)
    with pytest.raises(KeyboardInterrupt):
        env.run_experiment(9)
    assert [m.n_epochs for m in population(env).members] == [2] * 3
    assert not population(env).running


def test_callbacks_run_only_after_resets_of_an_experiment(env):
    epochs = []

    def note(environment, epoch):
        assert environment is env
        assert environment.turn == 0
        epochs.append(epoch)

    population(env).epoch_start_callbacks.append(note)
    env.reset()
    assert (epochs, population(env).epoch) == ([], -1)
    env.run_experiment(3)
    env.reset()
    assert epochs == [0, 1, 2]


def test_a_reset_outside_an_experiment_completes_no_epoch(env):
    env.reset()
    env.take_turn()
    env.reset()
    assert [(m.rewards, m.epoch_reward) for m in population(env).members] == [([], 0.0)] * 3


def test_newcomer_gets_the_next_name_and_its_own_rewards(env):
    def replace(environment, epoch):
        if epoch in (1, 2):
            population(environment).replace_model(
                1, newcomer(environment), model_name="lstm_ppo", seed=9
            )

    population(env).epoch_start_callbacks.append(replace)
    env.run_experiment(4)
    names = [(m.name, m.joined_epoch, m.n_epochs) for m in population(env).members]
    assert names == [("0", -1, 4), ("4", 2, 2), ("2", -1, 4)]


def test_newcomer_takes_index_extra_data_keys_and_label(env):
    model = newcomer(env)
    population(env).replace_model(1, model, model_name="lstm_ppo", seed=9)
    assert env.agents[1].model is model
    assert model.agent_name == "agent 1 (Forager)"  # pyright: ignore
    assert model.memory.extra_data["mood"].shape == (model.memory.capacity, 4)
    member = population(env).members[1]
    assert (member.index, member.name, member.model_name, member.seed) == (1, "3", "lstm_ppo", 9)


def test_newcomer_keeps_its_model_when_agents_are_rebuilt(env):
    model = newcomer(env)
    population(env).replace_model(1, model, model_name="lstm_ppo", seed=9)
    env.run_experiment(2)
    assert env.agents[1].model is model
    assert population(env).members[1].n_epochs == 2


# --- one model for several agents ---


def names_both(first, second):
    share = "share one RecurrentPPOLSTM.*give each agent a model of its own"
    return rf"^agent {first[0]} \({first[1]}\) and agent {second[0]} \({second[1]}\) {share}"


class ModellessEnvironment(StrangeEnvironment):
    """Leaves the model of its third agent to others."""

    def setup_agents(self) -> None:
        super().setup_agents()
        self.agents[2].model = None  # pyright: ignore[reportAttributeAccessIssue] - the mistake


def test_an_agent_without_a_model_to_replace_is_refused():
    install()
    with pytest.raises(ConfigError, match=r"^agent 2 \(HunterAgent\) has no model: .*RandomModel"):
        strange_environment(ModellessEnvironment, model="lstm_ppo")


class SharingEnvironment(StrangeEnvironment):
    """Gives the model of its first agent to the hunter as well."""

    def setup_agents(self) -> None:
        super().setup_agents()
        agent = self.agents[0]
        agent.model = build_model(
            "lstm_ppo",
            observation_spec=agent.observation_spec,
            action_spec=agent.action_spec,
            seed=1,
            **SMALL,
        )
        self.agents[2].model = agent.model


@pytest.mark.parametrize("config", [{}, {"model": {"type": "lstm_ppo"}}], ids=["none", "kept"])
def test_an_environment_that_shares_a_recurrent_model_is_refused(config):
    install()
    with pytest.raises(ConfigError, match=names_both((0, "Forager"), (2, "HunterAgent"))):
        strange_environment(SharingEnvironment, **config)


def test_shared_models_are_accepted_when_each_agent_gets_a_new_one():
    install()
    env = strange_environment(SharingEnvironment, model="lstm_ppo")
    assert len({id(agent.model) for agent in env.agents}) == 3
    env.run_experiment(2)


def test_shared_model_of_sorrel_is_accepted():
    install()
    env = strange_environment(model={"type": ["iqn", "lstm_ppo", "iqn"]})
    env.agents[2].model = env.agents[0].model
    env.run_experiment(2)


def test_model_shared_during_a_run_is_refused_at_the_next_epoch(env):
    def share(environment, epoch):
        if epoch == 1:
            environment.agents[2].model = environment.agents[0].model

    population(env).epoch_start_callbacks.append(share)
    with pytest.raises(ConfigError, match=names_both((0, "Forager"), (2, "HunterAgent"))):
        env.run_experiment(4)
    assert population(env).epoch == 1


def test_model_of_another_agent_is_refused_as_newcomer(env):
    models, members = [agent.model for agent in env.agents], list(population(env).members)
    with pytest.raises(ConfigError, match=names_both((1, "Forager"), (2, "HunterAgent"))):
        population(env).replace_model(1, models[2], model_name="lstm_ppo", seed=9)
    assert [agent.model for agent in env.agents] == models
    assert population(env).members == members
    assert models[2].agent_name == "agent 2 (HunterAgent)"


def test_environment_has_no_population_without_install():
    uninstall()
    assert population_of(strange_environment(model="lstm_ppo")) is None


def test_member_starts_without_rewards():
    assert Member(0, "0", "iqn", -1, None).rewards == []
