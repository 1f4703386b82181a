"""Schedules of replacement: when they fire, whom they choose, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose
from hydra.errors import MissingConfigException
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sorrel_recurrent_ppo.config_files import config_dir
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.replacement.schedule import Schedule, read_schedule
from sorrel_recurrent_ppo.replacement.selection import MODES, SelectionRule
from support.packaged_configs import packaged_configs

PACKAGED = sorted(
    path.stem for path in (config_dir() / "replacement").glob("*.yaml") if path.stem != "own"
)
ONE_AT_RANDOM = {"mode": "random", "count": 1}


def schedule_of(**section: Any) -> Schedule:
    schedule = read_schedule({**ONE_AT_RANDOM, **section}, seed=7)
    assert schedule is not None
    return schedule


def epochs_of(schedule: Schedule, last: int = 20) -> list[int]:
    return [epoch for epoch in range(last + 1) if schedule.fires_at(epoch)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, list(range(1, 21))),
        ({"start_epoch": 0, "every": 10}, [0, 10, 20]),
        ({"start_epoch": 3, "end_epoch": 11, "every": 4}, [3, 7, 11]),
        ({"end_epoch": 2}, [1, 2]),
        ({"epochs": [2, 19, 5]}, [2, 5, 19]),
    ],
)
def test_epochs_at_which_it_fires(times, expected):
    assert epochs_of(schedule_of(**times)) == expected


@pytest.mark.parametrize("section", [None, "none", {}, OmegaConf.create({})])
def test_no_schedule(section):
    assert read_schedule(section, seed=0) is None


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_schedules_are_the_same_from_hydra_and_by_name(name):
    with packaged_configs():
        config = compose(overrides=[f"+replacement={name}"])
    by_hydra = read_schedule(config.get("replacement"), seed=3)
    assert by_hydra == read_schedule(name, seed=3)
    if name == "none":
        assert by_hydra is None
    else:
        assert by_hydra is not None
        by_hydra.check_run(last_epoch=100)


@pytest.mark.parametrize(
    ("chosen", "mode"), [((), "random"), (("replacement=none",), None)], ids=["default", "none"]
)
def test_a_schedule_of_an_environments_config_holds_unless_another_is_chosen(
    tmp_path, chosen, mode
):
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [tag]\n"
        "replacement: {mode: random, count: 1, epochs: [2]}\n",
        encoding="utf-8",
    )
    overrides = [f"hydra.searchpath=['file://{tmp_path.as_posix()}']", "environment=mine"]
    with packaged_configs():
        config = compose("config", overrides=[*overrides, *chosen])
    schedule = read_schedule(config.get("replacement"), seed=3)
    assert (schedule and schedule.rule.mode) == mode


def test_a_schedule_that_does_not_exist_is_an_error():
    with (
        packaged_configs(),
        pytest.raises(MissingConfigException, match="cohrt"),
    ):
        compose("config", overrides=["replacement=cohrt"])


def test_turnover_draws_one_of_those_with_tenure_every_few_epochs():
    schedule = read_schedule("turnover", seed=0)
    assert schedule is not None
    assert schedule.rule.mode == "random_with_tenure"
    assert epochs_of(schedule) == [5, 10, 15, 20]
    assert len(schedule.choose(5, [5] * 10, [[]] * 10)) == 1


def test_choice_depends_on_seed_and_epoch_alone():
    tenures, rewards = [9] * 30, [[0.0]] * 30

    def choices(seed: int) -> list[list[int]]:
        schedule = schedule_of(count=3, seed=seed)
        return [list(schedule.choose(epoch, tenures, rewards)) for epoch in range(1, 5)]

    first = choices(1)
    assert first == choices(1)
    assert first != choices(2)
    assert len({tuple(places) for places in first}) == 4
    # The choice of epoch 3 is the same when epochs 1 and 2 were never asked for.
    assert list(schedule_of(count=3, seed=1).choose(3, tenures, rewards)) == first[2]


def test_run_seed_is_the_default_of_the_schedule():
    assert schedule_of().seed == 7
    assert schedule_of(seed=0).seed == 0


def test_newcomers_seeds_differ_by_schedule_epoch_and_index():
    seeds = [
        schedule_of(seed=seed).newcomer_seed(epoch, index)
        for seed in range(4)
        for epoch in range(5)
        for index in range(5)
    ]
    assert len(set(seeds)) == 100


def test_model_of_the_newcomer():
    tenures, rewards = [1] * 400, [[0.0]] * 400
    everybody = {"count": 400}
    assert set(schedule_of(**everybody).choose(1, tenures, rewards).values()) == {None}
    one = schedule_of(**everybody, model="lstm_ppo").choose(1, tenures, rewards)
    assert set(one.values()) == {"lstm_ppo"}
    drawn = list(
        schedule_of(**everybody, model=["iqn", "lstm_ppo"]).choose(1, tenures, rewards).values()
    )
    # Binomial(400, 1/2): mean 200, deviation 10; five of them.
    assert 150 < drawn.count("iqn") < 250
    assert drawn.count("iqn") + drawn.count("lstm_ppo") == 400


def test_parameters_and_checkpoints_of_the_newcomer():
    one = schedule_of(parameters={"hidden_size": 8}, checkpoint="a.pt")
    assert one.parameters_for("lstm_ppo") == {"hidden_size": 8}
    assert [one.checkpoint_for(i) for i in range(2)] == ["a.pt", "a.pt"]
    several = schedule_of(
        model=["iqn", "lstm_ppo"],
        parameters={"lstm_ppo": {"hidden_size": 8}},
        checkpoint=["a.pt", None],
    )
    assert several.parameters_for("lstm_ppo") == {"hidden_size": 8}
    assert several.parameters_for("iqn") == {}
    assert [several.checkpoint_for(i) for i in range(2)] == ["a.pt", None]
    several.check_group(2)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"mode": None}, "replacement.mode is missing"),
        ({"mode": "randm"}, "replacement.mode cannot be 'randm'. Did you mean 'random'"),
        ({"start_epoc": 3}, "no key 'start_epoc'. Did you mean 'start_epoch'"),
        ({"start_epoch": -1}, "replacement.start_epoch must be an integer of at least 0"),
        ({"start_epoch": 9, "end_epoch": 8}, "replacement.end_epoch=8 is before start_epoch=9"),
        ({"every": 0}, "replacement.every must be an integer of at least 1"),
        ({"epochs": []}, "replacement.epochs must be a list of integers, not .."),
        ({"epochs": 5}, "replacement.epochs must be a list"),
        ({"epochs": [1, 2.5]}, r"replacement.epochs \(each of them\) must be an integer"),
        ({"epochs": [5], "every": 2}, "every would do so in another way"),
        ({"seed": -1}, "replacement.seed must be an integer"),
        ({"model": 3}, "replacement.model must be"),
        ({"model": []}, "replacement.model is an empty list"),
        ({"parameters": 3}, "replacement.parameters must be a section"),
        (
            {"model": ["iqn", "lstm_ppo"], "parameters": {"hidden_size": 8}},
            "parameters.hidden_size: with several models",
        ),
        ({"parameters": {"seed": 3}}, "parameters.seed would make all newcomers alike"),
        ({"checkpoint": [1, 2]}, "replacement.checkpoint must be"),
        ({"mode": "probability", "count": None, "probability": 0}, "never replaces anybody"),
        (
            {"mode": "probability", "count": None, "probability": 1.5},
            "at least 0.0 and at most 1.0, not 1.5",
        ),
    ],
)
def test_bad_sections_are_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        schedule_of(**section)


@pytest.mark.parametrize(
    ("section", "message"),
    [("turnovr", "Did you mean 'turnover'"), ([1], "must be a section or a name")],
)
def test_unknown_schedules_are_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        read_schedule(section, seed=0)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"start_epoch": 11}, r"start_epoch=11 is not among the run's epochs 0 to 10"),
        ({"epochs": [3, 11]}, r"\[11\] not among the run's epochs 0 to 10"),
        ({"minimum_tenure": 11}, "minimum_tenure=11 .* can never be reached"),
        ({"minimum_tenure": 10, "every": 4}, "no agent is due to leave after epoch 9"),
        ({"mode": "lowest_reward", "epochs": [0]}, "can never be reached"),
    ],
)
def test_a_schedule_that_can_never_fire_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        schedule_of(**section).check_run(last_epoch=10)


@pytest.mark.parametrize(
    "section",
    [
        {"start_epoch": 10},
        {"epochs": [0, 10]},
        {"minimum_tenure": 10},
        {"end_epoch": 99},
        {"mode": "lowest_reward", "epochs": [1]},
    ],
)
def test_a_schedule_that_can_just_fire_is_accepted(section):
    schedule_of(**section).check_run(last_epoch=10)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"count": 4}, "count=4 is more than the group's 3 agents"),
        ({"mode": "specified_ids", "count": None, "agent_ids": [0, 3]}, r"\[3\]"),
        ({"checkpoint": ["a", "b"]}, "2 files for 3 agents"),
    ],
)
def test_a_schedule_for_a_larger_group_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        schedule_of(**section).check_group(3)


@st.composite
def schedules(draw):
    """A valid schedule of any mode for a group of four, in a run of up to 20 epochs."""
    mode = draw(st.sampled_from(MODES))
    options: dict = {"minimum_tenure": draw(st.integers(1, 5))}
    if mode == "probability":
        options["probability"] = draw(st.floats(0.05, 1))
    elif mode == "specified_ids":
        options["agent_ids"] = draw(st.lists(st.integers(0, 3), min_size=1, unique=True))
    else:
        options["count"] = draw(st.integers(1, 4))
    times = draw(
        st.fixed_dictionaries({"start_epoch": st.integers(0, 10), "every": st.integers(1, 5)})
    )
    return Schedule(
        rule=SelectionRule(mode=mode, **options), seed=draw(st.integers(0, 2**32 - 1)), **times
    )


@given(schedules(), st.integers(0, 20))
def test_schedule_replaces_only_eligible_agents_and_each_once(schedule, last_epoch):
    """Play a run with four places and check every choice against the ages it leads to."""
    try:
        schedule.check_run(last_epoch)
        accepted = True
    except ConfigError:
        accepted = False
    joined = [0] * 4
    ever_eligible = False
    for epoch in range(last_epoch + 1):
        tenures = [epoch - since for since in joined]
        chosen = schedule.choose(epoch, tenures, [[1.0] * tenure for tenure in tenures])
        if not schedule.fires_at(epoch):
            assert not chosen
            continue
        ever_eligible |= max(tenures) >= schedule.rule.youngest_eligible
        assert list(chosen) == sorted(set(chosen))
        assert set(chosen) <= {0, 1, 2, 3}
        for index in chosen:
            assert tenures[index] >= schedule.rule.minimum_tenure
            joined[index] = epoch
    if not accepted:
        assert not ever_eligible
    assume(accepted)
    assert any(schedule.fires_at(epoch) for epoch in range(last_epoch + 1))
