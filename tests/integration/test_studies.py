"""Environments with the traits of real studies keep what they do to their agents."""

import copy
import logging
import random
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from sorrel_recurrent_ppo import join_environments, replace_agent
from sorrel_recurrent_ppo.errors import CheckpointError, ConfigError
from sorrel_recurrent_ppo.integration.install import install, uninstall
from sorrel_recurrent_ppo.models import DualHeadRecurrentPPO, RecurrentPPOLSTM
from sorrel_recurrent_ppo.population.joining import separate
from sorrel_recurrent_ppo.population.members import population_of
from support.small_study import TURNS, Coordinator, Study, Walker, build_study, run_study


@pytest.fixture(autouse=True)
def _installed():
    install()
    yield
    uninstall()


def models(*environments):
    return [agent.model for env in environments for agent in env.agents]


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.policy.parameters()])


def population(env):
    found = population_of(env)
    assert found is not None
    return found


def class_names(env):
    return [type(model).__name__ for model in models(env)]


# --- agents by object ---


def test_models_and_names_stay_with_agents_that_are_shuffled():
    class Shuffling(Study):
        def reset(self):
            super().reset()
            rng.shuffle(self.agents)

    rng = random.Random(0)
    env = build_study(Shuffling, n=3)
    own = {id(agent): agent.model for agent in env.agents}
    run_study(env)
    assert all(own[id(agent)] is agent.model for agent in env.agents)
    assert [model.num_timesteps for model in models(env)] == [70] * 3
    assert [member.name for member in population(env).members] == ["0", "1", "2"]
    assert [member.n_epochs for member in population(env).members] == [7] * 3


def test_agents_lent_to_another_environment_keep_their_models():
    env = build_study()
    run_study(env)
    trained = models(env)
    for lent in (env.agents, env.agents[:1]):
        probe = build_study()
        probe.agents = lent
        probe.reset()
        assert models(env) == trained
    names = [member.name for member in population(env).members]
    assert names == ["0", "1"]


@pytest.mark.parametrize("turn", [0, 4])
def test_a_newcomer_of_the_environments_own_gets_a_fresh_model_and_a_record(turn, caplog):
    class Replacing(Study):
        def take_turn(self, epoch=0):
            if epoch == 3 and self.turn == turn:
                self.agents[0] = self.new_agent()
                self.world.add((0, 1, 0), self.agents[0])
            super().take_turn(epoch)

    caplog.set_level(logging.INFO, logger="sorrel_recurrent_ppo")
    env = build_study(Replacing)
    untouched = build_study(n=2, other=1)
    first, second = models(env)
    run_study(env)
    run_study(untouched)
    newcomer = env.agents[0].model
    assert type(newcomer) is RecurrentPPOLSTM
    assert newcomer is not first
    assert newcomer.num_timesteps == 40 - turn  # from its first turn on
    assert env.agents[1].model is second
    (record,) = population(env).replacements
    assert (record.epoch, record.index, record.left, record.joined) == (3, 0, "0", "2")
    assert (record.by, record.tenure, record.seed) == ("environment", 3, newcomer.seed)
    assert any("is replaced by the environment by agent 2" in text for text in caplog.messages)
    # The agent that stays is unaffected, bit for bit.
    assert torch.equal(weights(second), weights(models(untouched)[1]))


def test_newcomers_of_one_agent_have_seeds_of_their_own():
    class Replacing(Study):
        def reset(self):
            if population(self).epoch in (1, 3):
                self.agents[0] = self.new_agent()
            super().reset()

    env = build_study(Replacing, n=2)
    run_study(env)
    first, second = population(env).replacements
    assert (first.joined, second.left) == ("2", "2")
    assert len({first.seed, second.seed, None}) == 3


def test_newcomers_act_with_their_model_where_the_coordinator_takes_no_turns():
    class Direct(Coordinator):
        def run(self, n_epochs):
            for epoch in range(n_epochs):
                for env in self.environments:
                    env.reset()
                if epoch == 2:
                    self.environments[2].agents[0] = self.environments[2].new_agent()
                    self.environments[2].world.add((0, 1, 0), self.environments[2].agents[0])
                for _ in range(10):
                    for env in self.environments:
                        for agent in env.agents:
                            agent.transition(env.world)

    environments = [build_study(n=1) for _ in range(3)]
    Direct(environments).run(3)
    newcomer = environments[2].agents[0].model
    assert type(newcomer) is RecurrentPPOLSTM
    assert len(newcomer.memory) == 10


def test_a_copy_of_an_agent_in_another_environment_keeps_the_model_that_it_shares():
    env = build_study()
    run_study(env)
    focal = env.agents[0]
    probe = build_study(n=1)
    probe.agents = [copy.copy(focal)]
    probe.reset()
    probe.take_turn()
    assert probe.agents[0].model is focal.model
    assert population_of(probe) is not population_of(env)
    assert [member.name for member in population(env).members] == ["0", "1"]


def test_agents_lent_to_an_environment_with_its_own_constructor_keep_their_models():
    env = build_study()
    run_study(env)
    trained = models(env)
    probe = object.__new__(Study)
    probe.world, probe.config, probe.turn = env.world, env.config, 0
    probe.stop_if_done, probe._active_logger = False, None
    probe.agents = [*env.agents]
    probe.reset()
    probe.take_turn()
    assert models(env) == models(probe) == trained
    assert population_of(probe) is None


def test_agents_that_are_inserted_and_removed_are_followed():
    class Changing(Study):
        def reset(self):
            if population(self).members[0].n_epochs == 1:
                self.agents.append(self.new_agent())
            if population(self).members[0].n_epochs == 3:
                self.leaver = self.agents.pop(1)
            if population(self).members[0].n_epochs == 4:
                self.agents.append(self.leaver)
            super().reset()

    env, plain = build_study(Changing), build_study(other=1)
    leaver = env.agents[1].model
    run_study(env)
    run_study(plain)
    members = population(env).members
    assert [member.name for member in members] == ["0", "2", "1"]
    assert env.agents[2].model is leaver
    assert [type(model) for model in models(env)] == [RecurrentPPOLSTM] * 3
    assert len({model.seed for model in models(env)}) == 3
    assert torch.equal(weights(env.agents[0].model), weights(plain.agents[0].model))


def test_a_model_that_the_environment_assigns_is_kept():
    class Assigning(Study):
        def reset(self):
            super().reset()
            if population(self).epoch == 2:
                self.agents[0].model = self.assigned = self.new_agent().model

    env: Any = build_study(Assigning)
    run_study(env)
    assert env.agents[0].model is env.assigned
    assert [record.by for record in population(env).replacements] == ["environment"]
    assert population(env).members[0].model_name == "iqn"


# --- training ---


def test_training_resumes_after_eval_with_one_line_per_agent(caplog):
    class Probing(Study):
        def reset(self):
            super().reset()
            if population(self).epoch >= 1:
                frozen: Any = copy.copy(self.agents[0])
                frozen.model.eval()

    env = build_study(Probing)
    run_study(env)
    assert [model.num_timesteps for model in models(env)] == [70, 70]
    resumed = [text for text in caplog.messages if "resumes training" in text]
    assert len(resumed) == 1
    assert "agent 0" in resumed[0]


def build_two_kinds(cls=Study, rollout_length=None):
    """Return a study of an LSTM and a GRU agent."""
    section = {"hidden_size": 8, "sequence_length": 5, "rollout_length": rollout_length}
    kinds: Any = {"type": ["lstm_ppo", "gru_ppo"], "lstm_ppo": section, "gru_ppo": section}
    return build_study(cls, model=kinds)


def test_an_update_after_every_epoch_whatever_its_length():
    lengths, updates = [3, 10, 1, 5, 1, 8, 2], []

    class EndsEarly(Study):
        def take_turn(self, epoch=0):
            super().take_turn(epoch)
            updates.append([model.n_updates for model in models(self)])
            self.world.is_done = self.turn == lengths[epoch]

    env = build_two_kinds(EndsEarly)
    env.stop_if_done = True
    run_study(env)
    assert [model.n_updates for model in models(env)] == [7, 7]
    assert [model.num_timesteps for model in models(env)] == [30, 30]
    assert updates == [[epoch] * 2 for epoch, n in enumerate(lengths) for _ in range(n)]


def test_an_agent_is_updated_only_after_epochs_in_which_it_acts():
    class HalfTime(Study):
        def take_turn(self, epoch=0):
            everyone = self.agents
            self.agents = everyone[: 1 + epoch % 2]
            super().take_turn(epoch)
            self.agents = everyone

    env = build_two_kinds(HalfTime)
    run_study(env)
    assert [model.n_updates for model in models(env)] == [7, 3]
    assert [model.num_timesteps for model in models(env)] == [7 * TURNS, 3 * TURNS]


def test_updates_after_every_epoch_equal_those_of_a_rollout_as_long_as_the_epochs():
    env, fixed = build_two_kinds(), build_two_kinds(Study, TURNS)
    for each in (env, fixed):
        run_study(each)
    for one, other in zip(models(env), models(fixed), strict=True):
        assert one.settings.rollout_length is None
        assert one.n_updates == other.n_updates == 7
        assert torch.equal(weights(one), weights(other))


def test_a_newcomer_is_updated_after_every_epoch_too():
    class Replacing(Study):
        def reset(self):
            super().reset()
            if models(self)[0].n_updates == 4:
                replace_agent(self, 0)

    env = build_two_kinds(Replacing)
    run_study(env)
    newcomer, stayed = models(env)
    assert newcomer.settings.rollout_length is None
    assert (newcomer.n_updates, stayed.n_updates) == (3, 7)


@pytest.mark.parametrize(
    ("config", "learns"),
    [
        ({"model": {"lstm_ppo": {"learns": False}}}, [False, False, False]),
        ({"model": {"lstm_ppo": {"learns": [True, False, True]}}}, [True, False, True]),
        ({"agent": {"police": {"lstm_ppo": {"learns": False}, "model": "lstm_ppo"}}}, [1, 1, 0]),
    ],
)
def test_an_agent_that_does_not_learn_acts_and_never_updates(config, learns):
    small = {"rollout_length": 20, "sequence_length": 5, "hidden_size": 8}
    section = {**small, **config.get("model", {}).get("lstm_ppo", {})}
    models_section = {"model": {"type": "lstm_ppo", "lstm_ppo": section}}
    env = build_study(police=1, **{**config, **models_section})
    before = [weights(model).clone() for model in models(env)]
    run_study(env)
    for model, start, learner in zip(models(env), before, learns, strict=True):
        assert (model.n_updates > 0) == bool(learner)
        assert torch.equal(weights(model), start) == (not learner)
        assert model.num_timesteps == (70 if learner else 0)
        assert model.last_actions
        model.train()
        assert model.training == bool(learner)


def test_a_newcomer_of_an_agent_that_does_not_learn_does_not_learn_either(caplog):
    section = {
        "hidden_size": 8,
        "rollout_length": 20,
        "sequence_length": 5,
        "learns": [False, True],
    }
    env = build_study(model={"type": "lstm_ppo", "lstm_ppo": section})
    replace_agent(env, 0)
    replace_agent(env, 1)
    run_study(env)
    assert [model.num_timesteps for model in models(env)] == [0, 70]
    assert not any("resumes training" in text for text in caplog.messages)


def test_agents_show_the_value_of_their_state():
    class Emotional(Walker):
        def __init__(self, *args):
            super().__init__(*args)
            self.kind, self.values = "Walker", []
            shown.append(self.values)

        def get_action(self, state):
            model: Any = self.model
            self.values.append(model.state_value(state).item())
            return super().get_action(state)

    class EmotionalStudy(Study):
        def setup_agents(self):
            self.agents = [self.new_agent(Emotional) for _ in range(2)]

    shown: list[list[float]] = []
    env, silent = build_two_kinds(EmotionalStudy, 1000), build_two_kinds(Study, 1000)
    for each in (env, silent):
        run_study(each)
    assert [model.memory.values[:70].tolist() for model in models(env)] == shown
    assert [model.memory.values[:70].tolist() for model in models(silent)] == shown


def test_an_inserted_agent_starts_fresh_and_gets_the_last_value_of_a_list(tmp_path):
    env = build_study()
    run_study(env)
    saved = str(tmp_path / "model.pt")
    env.agents[0].model.save(saved)
    section = {"hidden_size": 8, "checkpoint": [saved, saved], "learns": [True, False]}
    env = build_study(model={"type": "lstm_ppo", "lstm_ppo": section})
    env.agents.append(env.new_agent())
    env.reset()
    *started, inserted = models(env)
    assert torch.equal(weights(started[0]), weights(started[1]))
    assert not torch.equal(weights(inserted), weights(started[0]))
    assert [model.learns for model in models(env)] == [True, False, False]


def test_agents_start_from_a_checkpoint_and_act_differently(tmp_path):
    env = build_study()
    run_study(env)
    env.agents[0].model.save(tmp_path / "model.pt")
    section = {"hidden_size": 8, "checkpoint": str(tmp_path / "model.pt")}
    started = build_study(model={"type": "lstm_ppo", "lstm_ppo": section})
    for model in models(started):
        assert torch.equal(weights(model), weights(env.agents[0].model))
    one, other = models(started)
    assert one.random_streams[0].random() != other.random_streams[0].random()


def test_a_missing_checkpoint_of_a_kind_is_named_by_its_own_key():
    police = {"model": "lstm_ppo", "lstm_ppo": {"hidden_size": 8, "checkpoint": "nowhere.pt"}}
    with pytest.raises(CheckpointError, match=r"agent\.police\.lstm_ppo\.checkpoint for agent 2"):
        build_study(police=1, agent={"police": police})


# --- several environments ---


def test_environments_of_two_kinds_that_part_are_as_if_each_were_alone():
    kinds = {"walker": {"model": "lstm_ppo"}, "police": {"model": "gru_ppo"}}
    one, other = (build_study(n=1, police=1, agent=kinds) for _ in range(2))
    population = population_of(one)
    assert population is not None
    assert population_of(other) is population
    separate(population)
    mine, theirs = (population_of(env) for env in (one, other))
    assert mine is not None
    assert theirs is not None
    assert mine is not theirs
    for members in (mine.members, theirs.members):
        assert [member.model_name for member in members] == ["lstm_ppo", "gru_ppo"]
    assert [m.seed for m in theirs.members] == [m.seed for m in mine.members]


def test_environments_of_one_config_have_different_agents_and_newcomers():
    environments = [build_study(n=1) for _ in range(3)]
    built = models(*environments)
    assert len({weights(model).sum().item() for model in built}) == 3
    assert len({replace_agent(env, 0).seed for env in environments}) == 3
    again = [build_study(n=1) for _ in range(3)]
    assert [model.seed for model in models(*again)] == [model.seed for model in built]


def test_a_schedule_fires_once_an_epoch_for_the_whole_population():
    schedule = {"mode": "first_n", "count": 1, "epochs": [2, 4]}
    environments = [build_study(n=1, replacement=schedule) for _ in range(2)]
    before = models(*environments)
    coordinator = Coordinator(environments)
    coordinator.run(7)
    assert environments[0].agents[0].model is not before[0]
    assert environments[1].agents[0].model is before[1]
    records = population(environments[0]).replacements
    assert [(record.epoch, record.left, record.joined) for record in records] == [
        (2, "0", "2"),
        (4, "2", "3"),
    ]
    replace_agent(coordinator, 1)  # pyright: ignore[reportArgumentType]
    assert environments[1].agents[0].model is not before[1]


def test_a_list_of_models_is_for_the_whole_population():
    environments = [build_study(n=1, model=["lstm_ppo", "gru_ppo"]) for _ in range(2)]
    assert [type(m) for m in models(*environments)] == [RecurrentPPOLSTM, DualHeadRecurrentPPO]
    Coordinator(environments).run(1)
    with pytest.raises(ConfigError, match=r"lists 2 models .* agents is 1"):
        run_study(build_study(n=1, model=["lstm_ppo", "gru_ppo"]))


def test_separate_experiments_of_one_seed_are_the_same_bits():
    one, other = build_study(), build_study()
    run_study(one)
    run_study(other)
    alone = build_study()
    run_study(alone)
    for model, second, third in zip(models(one), models(other), models(alone), strict=True):
        assert torch.equal(weights(model), weights(second))
        assert torch.equal(weights(model), weights(third))


def test_environments_of_different_configs_are_joined_explicitly():
    environments = [build_study(n=1, which=k) for k in range(3)]
    assert len({id(population(env)) for env in environments}) == 3
    coordinator = Coordinator(environments)
    join_environments(coordinator, environments)
    assert len({model.seed for model in models(*environments)}) == 3
    assert [member.name for member in population(coordinator).members] == ["0", "1", "2"]
    coordinator.run(3)
    assert [member.n_epochs for member in population(coordinator).members] == [2] * 3
    assert replace_agent(coordinator, 2).index == 2  # pyright: ignore[reportArgumentType]


# --- configs ---


def test_an_environment_with_its_own_constructor_is_honoured_when_it_is_run():
    class OwnConstructor(Study):
        def __init__(self, world, config):
            self.world, self.config, self.turn = world, DictConfig(config), 0
            self.stop_if_done, self._epoch_turn_stats, self._active_logger = False, [], None
            self.world.create_world()
            self.setup_agents()
            self.populate_environment()

    env = build_study(OwnConstructor)
    run_study(env)
    assert class_names(env) == ["RecurrentPPOLSTM"] * 2
    assert [member.n_epochs for member in population(env).members] == [7, 7]
    by_hand = build_study(OwnConstructor)
    by_hand.reset()
    assert class_names(by_hand) == ["RecurrentPPOLSTM"] * 2


@pytest.mark.parametrize(
    ("kinds", "last"),
    [
        ({"police": {"num": 1, "model": "iqn"}}, "iRainbowModel"),
        ({"walker": {"num": 2}, "police": {"num": 1, "model": "iqn"}}, "iRainbowModel"),
        ({"police": {"model": "gru_ppo"}}, "DualHeadRecurrentPPO"),
    ],
)
def test_a_kinds_model_takes_precedence(kinds, last):
    env = build_study(police=1, agent=kinds)
    assert class_names(env) == ["RecurrentPPOLSTM"] * 2 + [last]
    assert [member.kind for member in population(env).members][2] == "police"


def test_a_kinds_parameters_are_its_own():
    police = {"model": "lstm_ppo", "lstm_ppo": {"hidden_size": 5}}
    env = build_study(police=1, agent={"police": police})
    assert [model.hidden_size for model in models(env)] == [8, 8, 5]


def test_a_type_takes_precedence_over_the_model_type_that_the_environment_reads():
    section = {"type": "lstm_ppo", "model_type": "iqn", "lstm_ppo": {"hidden_size": 8}}
    env = build_study(model=section, police=1)
    run_study(env)
    assert class_names(env) == ["RecurrentPPOLSTM"] * 3
    env.agents[1] = env.new_agent()
    run_study(env)
    assert class_names(env) == ["RecurrentPPOLSTM"] * 3


def test_a_mandatory_type_that_is_missing_is_an_error():
    with pytest.raises(ConfigError, match=r"model.type is mandatory"):
        build_study(model={"type": "???"})


def test_research_names_are_warned_of_once(caplog):
    for _ in range(2):
        build_study(replacement_selection_mode="random", other={"ppo_rollout_length": 5})
    warned = [r.getMessage() for r in caplog.records if "is not a key" in r.getMessage()]
    assert warned == [
        "replacement_selection_mode is not a key of sorrel_recurrent_ppo, which reads "
        "replacement.mode instead",
        "other.ppo_rollout_length is not a key of sorrel_recurrent_ppo, which reads "
        "model.<name>.rollout_length (null: an update after every epoch, as there) instead",
    ]


def test_a_schedule_that_cannot_fire_is_warned_of(caplog):
    env = build_study(replacement={"mode": "first_n", "count": 1})
    env.reset()
    env.take_turn()
    assert any("the schedule does not fire" in text for text in caplog.messages)
