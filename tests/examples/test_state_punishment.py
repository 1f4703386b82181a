"""The world, votes, observations and statistics of state_punishment."""

from collections import Counter

import numpy as np
import pytest
from hydra import compose
from PIL import Image
from sorrel.models.pytorch import PyTorchIQN
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.examples.state_punishment.agents import ACTIONS, MOVES, VOTES
from sorrel_recurrent_ppo.policy.actions import flatten_action
from sorrel_recurrent_ppo.population.model_choice import model_section
from support.packaged_configs import packaged_configs
from support.sorrel_examples import ScriptedModel, make_environment, picture, play_epoch

BARE = [f"world.resources.{name}.count=0" for name in ("apple", "coal", "gem")]

pytestmark = pytest.mark.usefixtures("seeded_worlds")


def make(*overrides):
    return make_environment("state_punishment", *overrides)


def put_agents(environment, agent_cells):
    """Clear the field and put the agents on the given cells."""
    world = environment.world
    for row in range(1, world.height - 1):
        for column in range(1, world.width - 1):
            world.remove((row, column, 1))
    for agent, (row, column) in zip(environment.agents, agent_cells, strict=True):
        world.add((row, column, 1), agent)


def put_resource(environment, name, row, column):
    environment.world.spawn(name)
    (resource,) = environment.world.get_entities_of_kind(name.title())
    environment.world.move(resource, (row, column, 1))


def script(environment, plans):
    """Script the actions of each agent, given a list of action names, one per turn."""
    for agent, plan in zip(environment.agents, plans, strict=True):
        remaining = iter(plan)
        agent.model = ScriptedModel(agent, lambda _, it=remaining: ACTIONS.index(next(it)))


def rewards(environment, turn):
    return [float(agent.model.memory.rewards[turn]) for agent in environment.agents]


def test_flat_action_is_move_times_votes_plus_vote():
    assert list(MOVES) == ["up", "down", "left", "right", "stay"]
    assert list(VOTES) == ["keep", "raise", "lower"]
    for move, move_name in enumerate(MOVES):
        for vote, vote_name in enumerate(VOTES):
            flat = flatten_action((move, vote), (len(MOVES), len(VOTES)))
            assert ACTIONS[flat] == f"{move_name}+{vote_name}"
    assert len(ACTIONS) == 15


@pytest.mark.parametrize(
    ("overrides", "action_dims"), [([], [5, 3]), (["model.gru_ppo.action_dims=[15,1]"], [15, 1])]
)
def test_config_sets_the_action_branches_of_the_dual_head(overrides, action_dims):
    """The environment's config overrides the model's, and the command line overrides both."""
    with packaged_configs():
        config = compose("config", ["environment=state_punishment", "model=gru_ppo", *overrides])
    section = model_section(config, "gru_ppo")
    assert section["action_dims"] == action_dims


@pytest.mark.parametrize(
    ("name", "level", "gain", "loss"),
    [
        ("apple", 0.0, 1.0, 0.0),
        ("apple", 1.0, 1.0, 0.0),
        ("coal", 0.5, 2.0 - 0.5 * 1.5, 0.5),
        ("gem", 0.0, 3.0, 2.0),
        ("gem", 0.5, 3.0 - 0.5 * 6.0, 2.0),
        ("gem", 1.0, 3.0 - 6.0, 2.0),
    ],
)
def test_gathering_pays_the_gatherer_and_harms_all_others(name, level, gain, loss):
    """Agent 1 of 4 gathers: the harm reaches later agents in the same turn, agent 0 in the next."""
    environment = make(*BARE, f"world.initial_level={level}")
    environment.world.level = level
    put_agents(environment, [(1, 1), (5, 5), (9, 1), (9, 9)])
    put_resource(environment, name, 5, 6)
    script(environment, [["stay+keep"] * 2, ["right+keep", "stay+keep"]] + [["stay+keep"] * 2] * 2)
    environment.take_turn()
    assert rewards(environment, 0) == pytest.approx([0.0, gain, -loss, -loss])
    assert environment.agents[1].location == (5, 6, 1)
    assert environment.world.tally.gathered[name] == 1
    assert environment.world.tally.harm == pytest.approx(3 * loss)
    assert environment.world.tally.punishment == pytest.approx(
        {"apple": 0.0, "coal": 1.5, "gem": 6.0}[name] * level
    )
    assert len(environment.world.get_entities_of_kind(name.title())) == 1  # a new one elsewhere

    put_agents(environment, [(1, 1), (5, 5), (9, 1), (9, 9)])
    environment.take_turn()
    assert rewards(environment, 1) == pytest.approx([-loss, 0.0, 0.0, 0.0])


def test_walls_and_agents_block_a_move_at_no_cost():
    environment = make(*BARE)
    put_agents(environment, [(1, 1), (1, 2), (9, 1), (9, 9)])
    script(environment, [["up+keep"], ["left+keep"], ["left+keep"], ["up+keep"]])
    environment.take_turn()
    cells = [agent.location[:2] for agent in environment.agents]
    assert cells == [(1, 1), (1, 2), (9, 1), (8, 9)]
    assert rewards(environment, 0) == [0.0] * 4


def test_votes_change_the_level_in_the_next_turn():
    environment = make(*BARE, "world.initial_level=0.5", "world.vote_step=0.2")
    votes = [
        ["raise", "raise", "lower", "keep"],  # 1 of 4 more for raising: +0.05
        ["raise", "raise", "raise", "raise"],  # +0.2
        ["lower", "lower", "keep", "keep"],  # -0.1
        ["keep", "keep", "keep", "keep"],
    ]
    script(environment, [[f"stay+{turn[i]}" for turn in votes] for i in range(4)])
    levels, counts = [], []
    for _ in votes:
        environment.take_turn()
        levels.append(environment.world.level)
        tally = environment.world.tally
        counts.append((tally.votes_raise, tally.votes_lower))
    assert levels == pytest.approx([0.5, 0.55, 0.75, 0.65])
    assert counts == [(2, 1), (4, 0), (0, 2), (0, 0)]


@pytest.mark.parametrize(("vote", "end"), [("raise", 1.0), ("lower", 0.0)])
def test_level_is_clipped_to_0_and_1_and_reset_each_epoch(vote, end):
    environment = make(*BARE, "world.initial_level=0.5", "world.vote_step=0.3")
    script(environment, [[f"stay+{vote}"] * 5] * 4)
    for _ in range(5):
        environment.take_turn()
    assert environment.world.level == end
    environment.reset()
    assert environment.world.level == 0.5
    script(environment, [["stay+keep"]] * 4)
    environment.take_turn()
    assert environment.world.level == 0.5  # the votes of the last epoch are discarded


def test_observation_is_the_picture_and_three_scalars():
    environment = make(*BARE, "world.initial_level=0.25")
    put_agents(environment, [(1, 1), (5, 5), (9, 1), (9, 9)])
    put_resource(environment, "gem", 5, 6)
    observer, gatherer = environment.agents[0], environment.agents[1]
    view = gatherer.pov(environment.world)
    assert view.shape == (1, 6 * 7 * 7 + 3)
    assert gatherer.observation_spec.input_size == (6 * 7 * 7 + 3,)
    assert np.argwhere(picture(gatherer, view, "Gem")).tolist() == [[3, 4]]
    assert picture(gatherer, view, "StatePunishmentAgent")[3, 3] == 1
    assert not picture(observer, observer.pov(environment.world), "Gem").any()

    script(environment, [["stay+lower"], ["right+raise"], ["stay+keep"], ["stay+keep"]])
    environment.take_turn()
    environment.world.begin_turn()
    scalars = [agent.pov(environment.world)[0, -3:].tolist() for agent in environment.agents]
    # The level, the agent's last vote, and the harm done to it since its last action.
    assert scalars == [[0.25, -1, 2], [0.25, 1, 0], [0.25, 0, 0], [0.25, 0, 0]]


def test_number_of_resources_is_constant():
    environment = make()
    for agent in environment.agents:
        agent.model = ScriptedModel(agent, Forager(agent, ("Apple", "Coal", "Gem")))
    environment.reset()
    for _ in range(50):
        environment.take_turn()
        kinds = Counter(cell.kind for cell in environment.world.map[:, :, 1].ravel())
        assert (kinds["Apple"], kinds["Coal"], kinds["Gem"]) == (10, 5, 5)
        assert kinds["StatePunishmentAgent"] == 4
    assert environment.world.total_reward != 0


class Forager:
    """An agent that walks to the nearest visible resource of the wanted kinds, avoiding others."""

    def __init__(self, agent, wanted, vote="keep"):
        self.agent = agent
        self.wanted = wanted
        self.vote = vote
        self.rng = np.random.default_rng(agent.index)

    def __call__(self, state):
        return ACTIONS.index(f"{self._move(state)}+{self.vote}")

    def _move(self, state):
        radius = self.agent.observation_spec.vision_radius
        avoided = {"Wall", "Apple", "Coal", "Gem", "StatePunishmentAgent"} - set(self.wanted)
        wanted, blocked = (
            np.sum([picture(self.agent, state, kind) for kind in kinds], axis=0)
            for kinds in (self.wanted, avoided)
        )
        free = [
            move
            for move, (row, column) in MOVES.items()
            if move != "stay" and not blocked[radius + row, radius + column]
        ]
        goals = np.argwhere(wanted) - radius
        if not free or self.rng.random() < 0.1:  # noise prevents deadlocks between agents
            return "stay"
        if not len(goals):
            return str(self.rng.choice(free))
        goal = goals[np.abs(goals).sum(axis=1).argmin()]
        return min(free, key=lambda move: float(np.abs(goal - MOVES[move]).sum()))


def epoch_rewards(level, wants):
    """Play epochs of scripted foragers at a fixed level; return each agent's mean reward."""
    environment = make(f"world.initial_level={level}", "world.vote_step=0")
    for agent, wanted in zip(environment.agents, wants, strict=True):
        agent.model = ScriptedModel(agent, Forager(agent, wanted))
    for _ in range(4):
        play_epoch(environment)
    sums = [float(agent.model.memory.rewards[:400].sum()) for agent in environment.agents]
    return np.array(sums) / 4


def test_gathering_everything_is_a_dilemma_that_punishment_resolves():
    everything, apples = ("Apple", "Coal", "Gem"), ("Apple",)
    greedy = epoch_rewards(0.0, [everything] * 4)
    modest = epoch_rewards(0.0, [apples] * 4)
    assert modest.mean() > greedy.mean() + 10  # bad for the group

    tempted = epoch_rewards(0.0, [everything] + [apples] * 3)
    assert tempted[0] > modest[0] + 10  # good for the individual
    abstaining = epoch_rewards(0.0, [apples] + [everything] * 3)
    assert greedy[0] > abstaining[0] + 10  # regardless of the others

    assert epoch_rewards(1.0, [everything] + [apples] * 3)[0] < modest[0] - 10
    greedy_and_punished = epoch_rewards(1.0, [everything] * 4)
    assert epoch_rewards(1.0, [apples] + [everything] * 3)[0] > greedy_and_punished[0] + 10


def test_epoch_stats_aggregate_turn_stats():
    environment = make(*BARE, "experiment.max_turns=2", "world.initial_level=0.5")
    environment.reset()
    put_agents(environment, [(1, 1), (5, 5), (9, 1), (9, 9)])
    put_resource(environment, "gem", 5, 6)
    script(
        environment,
        [["stay+raise"] * 2, ["right+raise", "stay+lower"]] + [["stay+raise", "stay+keep"]] * 2,
    )
    for _ in range(2):
        environment.take_turn()
        environment.on_turn_end(environment.collect_turn_stats(epoch=0))
        for row, column in ((5, 5), (5, 7), (4, 6), (6, 6)):
            environment.world.remove((row, column, 1))
    stats = environment.aggregate_epoch_stats()
    assert stats["level"] == pytest.approx((0.5 + 0.55) / 2)
    assert stats["level_end"] == pytest.approx(0.55)
    assert (stats["votes_raise"], stats["votes_lower"]) == (5, 1)
    assert stats["harm"] == pytest.approx(6.0)
    assert stats["punishment"] == pytest.approx(3.0)
    assert [stats[f"gathered_{name}"] for name in ("apple", "coal", "gem")] == [0, 0, 1]


def test_run_experiment_logs_statistics_and_writes_an_animation(tmp_path):
    environment = make("experiment.epochs=1", "experiment.max_turns=3")
    assert all(isinstance(agent.model, PyTorchIQN) for agent in environment.agents)
    logger = Logger(1)
    environment.run_experiment(logger=logger, output_dir=tmp_path)
    for name in ("level", "level_end", "votes_raise", "votes_lower", "harm", "punishment"):
        assert len(logger.additional_values[name]) == 2
    (gif,) = (tmp_path / "gifs").iterdir()
    with Image.open(gif) as image:
        assert image.size == (16 * 11, 16 * 11)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agent.num_agents=1", "agent.num_agents must be .* at least 2"),
        ("world.initial_level=1.5", "world.initial_level must be .* at most 1, not 1.5"),
        ("world.vote_step=-0.1", "world.vote_step must be .* at least 0 .* not -0.1"),
        ("world.resources.apple.count=100", "4 agents and 110 resources do not fit .* 81 cells"),
        ("world.resources.aple.count=1", "no kind 'aple'. Did you mean 'apple'"),
    ],
)
def test_world_rejects_invalid_settings(override, message):
    with pytest.raises(ConfigError, match=message):
        make(override)
