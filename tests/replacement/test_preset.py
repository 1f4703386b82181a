"""Overrides of packaged schedules on the command line."""

import pytest
from hydra import compose
from hydra.core.hydra_config import HydraConfig

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.replacement.schedule import read_schedule
from support.packaged_configs import packaged_configs


@pytest.fixture
def command_line():
    """Return a function that gives the schedule of a command line, as in a Hydra application."""
    instance = HydraConfig.instance()
    before = instance.cfg

    def schedule(*overrides):
        with packaged_configs():
            config = compose("config", overrides=[*overrides], return_hydra_config=True)
        instance.set_config(config)
        return read_schedule(config.replacement, seed=0)

    yield schedule
    instance.cfg = before


def test_a_mode_on_the_command_line_drops_what_the_packaged_schedule_had_for_another(command_line):
    schedule = command_line(
        "replacement=cohort", "replacement.mode=specified_ids", "replacement.agent_ids=[3]"
    )
    assert (schedule.rule.mode, schedule.rule.agent_ids) == ("specified_ids", (3,))
    schedule = command_line(
        "replacement=turnover", "replacement.mode=probability", "replacement.probability=0.5"
    )
    assert (schedule.rule.mode, schedule.rule.probability) == ("probability", 0.5)
    assert schedule.every == 5  # what does not depend on the mode stays


def test_times_on_the_command_line_drop_packaged_ones_of_the_other_form(command_line):
    schedule = command_line("replacement=cohort", "replacement.every=2")
    assert (schedule.epochs, schedule.every) == (None, 2)
    schedule = command_line("replacement=turnover", "replacement.epochs=[7]")
    assert schedule.epochs == (7,)


def test_contradictions_of_the_user_remain_errors(command_line):
    with pytest.raises(ConfigError, match="epochs names the epochs one by one"):
        command_line("replacement=cohort", "replacement.every=2", "replacement.epochs=[7]")
    with pytest.raises(ConfigError, match="count"):
        command_line(
            *("replacement=cohort", "replacement.mode=specified_ids"),
            *("replacement.agent_ids=[3]", "replacement.count=2"),
        )
