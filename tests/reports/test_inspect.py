"""Looking into recorded states: their components, the pictures, the command."""

import numpy as np
import pytest
from PIL import Image

from sorrel_recurrent_ppo import cli
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.recording.observation_picture import (
    NOTHING,
    WALL,
    channel_legend,
    observation_pictures,
)
from sorrel_recurrent_ppo.recording.recorded_states import (
    PER_STEP,
    RecordedStates,
    Subject,
    load_states,
)
from sorrel_recurrent_ppo.recording.state_components import main_components, unit_order
from sorrel_recurrent_ppo.recording.state_plots import COLOURS, action_labels
from sorrel_recurrent_ppo.reports import inspect_states
from sorrel_recurrent_ppo.reports.inspect_states import inspect_run
from support.small_runs import run

pytestmark = pytest.mark.usefixtures("own_process")

RECORDED = ["record_states=true", "experiment.record_period=1"]


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("recorded") / "run"
    mixed = ["model.type=[lstm_ppo,gru_ppo,iqn]", "model.num_agents=3"]
    files, _ = run(directory, "treasurehunt", "lstm_ppo", *RECORDED, *mixed)
    return files


def states_of(observations, picture, channels=(), **steps):
    n = len(observations)
    arrays = {name: np.zeros(n, int) for name in PER_STEP} | steps
    arrays["observations"] = np.array(observations, np.float32)
    subject = Subject("0", "lstm_ppo", picture, channels, ("up", "down"), (2, 3))
    return RecordedStates(subject, arrays)


def test_components_are_the_directions_of_most_variance():
    t = np.array([-3.0, -1.0, 1.0, 3.0])
    states = np.stack([5 + 4 * t, -3 * t, np.array([1.0, -1.0, -1.0, 1.0])], axis=1)
    found = main_components(states)
    np.testing.assert_allclose(found.loadings[0], [0.8, -0.6, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.loadings[1], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(found.scores[:, 0], 5 * t)
    np.testing.assert_allclose(found.explained, [500 / 504, 4 / 504])


@pytest.mark.parametrize("states", [np.ones((5, 3)), np.ones((1, 3)), np.zeros((4, 1))])
def test_states_that_do_not_vary_have_no_components(states):
    found = main_components(states)
    assert not found.scores.any()
    assert not found.explained.any()
    assert sorted(unit_order(states)) == list(range(states.shape[1]))


def test_units_that_rise_together_are_neighbours_and_constant_ones_last():
    t = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    units = [np.sin(t), np.full(50, 2.0), np.cos(t), 3 * np.sin(t), 0.1 * np.cos(t)]
    order = unit_order(np.stack(units, axis=1)).tolist()
    assert order[-1] == 1
    assert {frozenset(order[:2]), frozenset(order[2:4])} == {frozenset({0, 3}), frozenset({2, 4})}


def test_of_several_things_in_a_cell_the_rarest_is_drawn():
    names = ("", "Sand", "Wall", "Gem")
    picture = np.zeros((4, 1, 4))
    picture[1, 0, :3] = 1  # sand under everything but the last cell
    picture[2, 0, 1] = 1
    picture[3, 0, 2] = 1
    states = states_of([[*picture.ravel().tolist(), 7.0]], (4, 1, 4), names)
    sand, gem = (entry.color for entry in channel_legend(states) if entry.name in ("Sand", "Gem"))
    np.testing.assert_allclose(
        observation_pictures(states)[0, 0], [sand, WALL, gem, NOTHING], atol=1e-6
    )


def test_three_channels_without_names_are_red_green_and_blue():
    states = states_of([[1, 0, 0, 0.5, 0, 1]], (3, 1, 2))
    np.testing.assert_allclose(observation_pictures(states)[0, 0], [[1, 0, 0], [0, 0.5, 1]])
    assert channel_legend(states) == []


def test_an_observation_without_a_picture_becomes_a_square():
    states = states_of([[-1.0, 0.0, 1.0]], ())
    np.testing.assert_allclose(observation_pictures(states)[0, ..., 0], [[0, 0.5], [1, 0]])


def test_actions_are_called_by_name_else_by_their_branches():
    states = states_of(np.zeros((3, 1)), (), actions=np.array([1, 5, 5]))
    assert action_labels(states) == {1: "down", 5: "1, 2"}


@pytest.mark.parametrize(
    ("colour", "epoch"), [*((colour, None) for colour in COLOURS), ("epoch", "all"), ("turn", "1")]
)
def test_it_draws_states_and_components_by_any_variable(colour, epoch, recorded_run):
    written = inspect_run(recorded_run.directory, agent="1", epoch=epoch, colour=colour)
    named = {None: 2, "1": 1, "all": "all"}[epoch]
    assert [path.name for path in written] == [
        f"agent1_epoch{named}_hidden_states.png",
        f"agent1_epoch{named}_hidden_components_{colour}.png",
        f"agent1_epoch{2 if named == 'all' else named}_view.gif",
    ]
    for path in written[:2]:
        with Image.open(path) as picture:
            colours = picture.convert("RGB").getcolors(1 << 24)
            assert colours is not None
            assert len(colours) > 50
    with Image.open(written[2]) as gif:
        assert gif.n_frames == 8  # pyright: ignore[reportAttributeAccessIssue]


def test_an_lstms_cell_can_be_drawn_and_a_gru_has_none(recorded_run):
    written = inspect_run(recorded_run.directory, agent="0", state="cell")
    assert written[0].name == "agent0_epoch2_cell_states.png"
    with pytest.raises(ConfigError, match="agent 1 is a gru_ppo, without a cell"):
        inspect_run(recorded_run.directory, agent="1", state="cell")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"agent": "2"}, "agent 2 is of model iqn, which has no hidden state"),
        ({"agent": "00"}, "there is no recorded agent '00'. Did you mean '0'? Valid: 0, 1"),
        ({"epoch": "9"}, "epoch 9 was not recorded. Recorded: 0, 1, 2, or epoch=all"),
        ({"colour": "rewards"}, "colour cannot be 'rewards'. Did you mean 'reward'?"),
        ({"state": "cells"}, "state cannot be 'cells'. Did you mean 'cell'?"),
    ],
)
def test_a_mistake_is_told_with_what_there_is(settings, told, recorded_run):
    with pytest.raises(ConfigError) as error:
        inspect_run(recorded_run.directory, **settings)
    assert told in str(error.value)


def test_a_run_that_was_not_recorded_says_how_to_record(tmp_path):
    files, _ = run(tmp_path / "run")
    with pytest.raises(ConfigError, match="no recorded states; record them with record_states"):
        inspect_run(files.directory)
    with pytest.raises(ConfigError, match="is not a directory"):
        inspect_states.main([str(tmp_path / "nowhere")])


def test_the_command_prints_what_it_wrote(recorded_run, capsys, monkeypatch):
    directory = str(recorded_run.directory)
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "inspect", directory, "epoch=0"])
    cli.main()
    printed = capsys.readouterr().out.split()
    assert len(printed) == 3
    assert all(path.startswith(directory) for path in printed)
    with pytest.raises(ConfigError, match="name the directory of one run, not 2"):
        inspect_states.main([directory, directory])
    inspect_states.main(["--help"])
    assert "colour=reward" in capsys.readouterr().out


def test_the_recorded_epochs_are_left_as_they_were(recorded_run):
    path = recorded_run.recorded_states("0")
    before = path.read_bytes()
    inspect_run(recorded_run.directory)
    assert path.read_bytes() == before
    assert load_states(path).epochs == [0, 1, 2]
