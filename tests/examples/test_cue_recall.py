"""The world, trials and statistics of cue_recall."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from sorrel.models.pytorch import PyTorchIQN
from sorrel.utils.logging import Logger

from sorrel_recurrent_ppo.errors import ConfigError
from support.sorrel_examples import ScriptedModel, make_environment, picture, play_epoch

UP, LEFT, RIGHT = range(3)

pytestmark = pytest.mark.usefixtures("seeded_worlds")


def make(*overrides):
    return make_environment("cue_recall", *overrides)


def begin_with_cue(environment, cue, lane=0):
    """Restart a trial until it has the given cue."""
    while environment.world.trials[lane].cue != cue:
        environment.world.begin_trial(lane)


def script(environment, actions):
    """Script the actions of the first lane's agent; return its model."""
    agent = environment.agents[0]
    remaining = iter(actions)
    agent.model = ScriptedModel(agent, lambda _: next(remaining))
    return agent.model


def transitions(model):
    memory = model.memory
    return [
        (int(a), float(r), bool(d))
        for a, r, d in zip(
            memory.actions[: memory.size],
            memory.rewards[: memory.size],
            memory.dones[: memory.size],
            strict=True,
        )
    ]


def drawing(world):
    signs = {
        "Wall": "#",
        "Arm": "a",
        "EmptyEntity": " ",
        "CueLeft": "<",
        "CueRight": ">",
        "SymbolA": "x",
        "SymbolB": "o",
    }
    rows = world.map[:, :, 1]
    return ["".join(signs.get(cell.kind, "@") for cell in row) for row in rows]


def at_junction(agent, state):
    return picture(agent, state, "Arm")[1, [0, 2]].all()


class CueFollower:
    """An expert with memory: walks up, and turns to the side of the last cue it observed."""

    def __init__(self, agent):
        self.agent = agent
        self.cue = UP

    def __call__(self, state):
        for action, kind in ((LEFT, "CueLeft"), (RIGHT, "CueRight")):
            if picture(self.agent, state, kind).any():
                self.cue = action
        return self.cue if at_junction(self.agent, state) else UP


def test_world_is_a_row_of_t_shaped_lanes():
    environment = make("world.corridor=2", "agent.num_agents=2")
    for lane, cue in enumerate(("left", "right")):
        begin_with_cue(environment, cue, lane)
    assert drawing(environment.world) == [
        "#########",
        "#a a#a a#",
        "## ### ##",
        "##@###@##",
        "#<<<#>>>#",
    ]


@pytest.mark.parametrize(
    ("cue", "turn_to", "reward", "outcome"),
    [
        ("left", LEFT, 5.0, "success"),
        ("left", RIGHT, -3.0, "failure"),
        ("right", RIGHT, 5.0, "success"),
        ("right", LEFT, -3.0, "failure"),
    ],
)
def test_trial_outcome_depends_on_cue_and_arm(cue, turn_to, reward, outcome):
    environment = make("world.corridor=2", "world.success_value=5", "world.failure_value=-3")
    begin_with_cue(environment, cue)
    model = script(environment, [UP, UP, turn_to, UP])
    first = environment.world.trials[0]
    for _ in range(3):
        environment.take_turn()
    assert transitions(model) == [(UP, 0.0, False), (UP, 0.0, False), (turn_to, reward, True)]
    assert (first.outcome, first.turns, first.first_turn) == (outcome, 3, 1)
    assert environment.world.total_reward == reward
    assert environment.agents[0].location == (1, 1 if turn_to == LEFT else 3, 1)

    environment.take_turn()  # the next trial begins before the agent observes
    second = environment.world.trials[0]
    assert (second.outcome, second.turns, second.first_turn) == (None, 1, 4)
    assert environment.agents[0].location == (2, 2, 1)  # one step up from the start in row 3
    assert transitions(model)[3] == (UP, 0.0, False)
    assert drawing(environment.world)[1] == "#a a#"


def test_wall_blocks_the_agent_and_costs_wall_value():
    environment = make("world.corridor=2", "world.wall_value=-0.25")
    model = script(environment, [LEFT, RIGHT, UP, UP, UP])
    for _ in range(5):
        environment.take_turn()
    assert [reward for _, reward, _ in transitions(model)] == [-0.25, -0.25, 0.0, 0.0, -0.25]
    assert environment.agents[0].location == (1, 2, 1)


def test_trial_without_an_arm_ends_at_the_turn_limit():
    environment = make("world.corridor=2", "world.wall_value=0")
    model = script(environment, [LEFT] * 17)
    for _ in range(16):
        environment.take_turn()
    assert environment.world.turn_limit == 16  # 3 * 2 + 10
    assert [done for *_, done in transitions(model)] == [False] * 15 + [True]
    assert environment.world.trials[0].outcome == "timeout"
    assert environment.world.total_reward == 0.0
    environment.take_turn()
    assert environment.world.trials[0].first_turn == 17
    assert environment.agents[0].location == environment.world.start(0)


@pytest.mark.parametrize("radius", [1, 2])
def test_observations_reveal_the_cue_near_the_start_only(radius):
    """The observations on the way up differ between the cues only while the sign is visible."""
    views = {}
    for cue in ("left", "right"):
        environment = make("world.corridor=8", f"agent.vision_radius={radius}")
        begin_with_cue(environment, cue)
        agent = environment.agents[0]
        script(environment, [UP] * 8)
        views[cue] = [agent.pov(environment.world)]
        for _ in range(8):
            environment.take_turn()
            views[cue].append(agent.pov(environment.world))
        shown = [picture(agent, view, f"Cue{cue.title()}").any() for view in views[cue]]
        assert shown == [True] * radius + [False] * (9 - radius)
    same = [np.array_equal(a, b) for a, b in zip(views["left"], views["right"], strict=True)]
    assert same == [False] * radius + [True] * (9 - radius)


def test_five_stacked_frames_hold_no_cue_in_a_corridor_of_8():
    """More than five consecutive observations on the way up are equal."""
    environment = make("world.corridor=8")
    agent = environment.agents[0]
    script(environment, [UP] * 8)
    views = []
    for _ in range(8):
        environment.take_turn()
        views.append(agent.pov(environment.world))
    assert all(np.array_equal(views[0], view) for view in views[1:6])
    assert not np.array_equal(views[0], views[6])


def test_distractors_are_new_in_every_trial_and_carry_no_information():
    environment = make("world.corridor=8", "world.distractors=true", "agent.num_agents=2")
    spec = environment.agents[0].observation_spec
    assert {"SymbolA", "SymbolB"} <= set(spec.entity_map)
    counts, cues = Counter(), Counter()
    for _ in range(300):
        before = drawing(environment.world)
        environment.world.begin_trial(1)
        rows = drawing(environment.world)
        assert [row[:5] for row in rows] == [row[:5] for row in before]  # of the other lane
        assert rows[0] == "#" * 9  # beside the junction and behind it nothing changes
        beside = "".join(row[5] + row[7] for row in rows[2:10])
        counts.update(beside)
        cues[environment.world.trials[1].cue, beside[0]] += 1
    assert set(counts) == {"#", "x", "o"}
    assert all(abs(n / (300 * 16) - 1 / 3) < 0.03 for n in counts.values())
    assert all(abs(n / 300 - 1 / 6) < 0.07 for n in cues.values())
    wall_value = environment.world.values["wall"]
    assert environment.world.observe((2, 5, 1)).value == wall_value


def test_without_distractors_observations_are_smaller_and_walls_plain():
    environment = make("world.corridor=8")
    assert "SymbolA" not in environment.agents[0].observation_spec.entity_map
    assert not {"x", "o"} & set("".join(drawing(environment.world)))


def test_cues_are_balanced_and_independent():
    environment = make("world.corridor=1", "experiment.max_turns=4000")
    script(environment, [UP, LEFT] * 2000)
    cues = []
    for _ in range(2000):
        environment.take_turn()
        environment.take_turn()
        cues.append(environment.world.trials[0].cue)
    assert 900 < cues.count("left") < 1100
    pairs = Counter(pairwise(cues))
    assert all(400 < count < 600 for count in pairs.values())
    assert len(pairs) == 4


def test_expert_with_memory_always_succeeds():
    environment = make("world.corridor=8", "agent.num_agents=2")
    for agent in environment.agents:
        agent.model = ScriptedModel(agent, CueFollower(agent))
    play_epoch(environment)
    stats = environment.aggregate_epoch_stats()
    # A trial takes 9 turns and may take 34: trials that begin in turns 1, 10, ..., 163 count.
    assert stats["trials"] == 2 * 19
    assert stats["success_rate"] == 1.0
    assert environment.world.total_reward == 2 * 22  # 200 turns hold 22 complete trials


def always_left(agent):
    return lambda state: LEFT if at_junction(agent, state) else UP


def random_arm(agent):
    rng = np.random.default_rng(5)

    def decide(state):
        return int(rng.integers(1, 3)) if at_junction(agent, state) else UP

    return decide


def slow_after_one_cue(agent):
    """An agent that waits for the turn limit after the right cue, and so never fails a trial."""

    def decide(state):
        return LEFT if picture(agent, state, "CueRight").any() else always_left(agent)(state)

    return decide


@pytest.mark.parametrize("policy", [always_left, random_arm, slow_after_one_cue])
def test_success_rate_without_memory_is_one_half(policy):
    environment = make("world.corridor=1", "experiment.max_turns=20")
    agent = environment.agents[0]
    agent.model = ScriptedModel(agent, policy(agent))
    successes = trials = 0.0
    for _ in range(400):
        play_epoch(environment)
        stats = environment.aggregate_epoch_stats()
        successes += stats["success_rate"] * stats["trials"]
        trials += stats["trials"]
    assert trials > 600
    assert successes / trials == pytest.approx(0.5, abs=0.04)


def test_run_experiment_logs_the_success_rate(tmp_path):
    environment = make("experiment.epochs=1", "experiment.max_turns=40", "world.corridor=1")
    assert isinstance(environment.agents[0].model, PyTorchIQN)
    logger = Logger(1)
    environment.run_experiment(animate=False, logger=logger, output_dir=tmp_path)
    assert len(logger.rewards) == 2
    rates, trials = (np.array(logger.additional_values[key]) for key in ("success_rate", "trials"))
    assert (rates >= 0).all()
    assert (rates <= 1).all()
    assert (trials >= 1).all()


def test_run_experiment_writes_an_animation(tmp_path):
    environment = make("experiment.epochs=0", "experiment.max_turns=13", "world.corridor=1")
    environment.run_experiment(logger=Logger(0), output_dir=tmp_path)
    (gif,) = (tmp_path / "gifs").iterdir()
    with Image.open(gif) as image:
        assert image.size == (16 * 5, 16 * 4)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agent.num_agents=0", "agent.num_agents must be .* at least 1, not 0"),
        ("agent.vision_radius=9", "world.corridor=8 with agent.vision_radius=9"),
        ("agent.vision_radius=0", "agent.vision_radius=0"),
        ("experiment.max_turns=33", "experiment.max_turns=33 is too short .* at least 34 turns"),
    ],
)
def test_world_rejects_settings_that_invalidate_the_task(override, message):
    with pytest.raises(ConfigError, match=message):
        make(override)
