"""The command ``inspect``: its plots and its error messages."""

import pytest
from PIL import Image

from sorrel_recurrent_ppo import cli
from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.recording.recorded_states import load_states
from sorrel_recurrent_ppo.recording.state_plots import COLOURS
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


@pytest.mark.parametrize(
    ("colour", "epoch"), [*((colour, None) for colour in COLOURS), ("epoch", "all"), ("turn", "1")]
)
def test_inspect_plots_states_and_components_by_any_variable(colour, epoch, recorded_run):
    written = inspect_run(recorded_run.directory, agent="1", epoch=epoch, colour=colour)
    epoch_in_name = {None: 2, "1": 1, "all": "all"}[epoch]
    assert [path.name for path in written] == [
        f"agent1_epoch{epoch_in_name}_hidden_states.png",
        f"agent1_epoch{epoch_in_name}_hidden_components_{colour}.png",
        f"agent1_epoch{2 if epoch_in_name == 'all' else epoch_in_name}_view.gif",
    ]
    for path in written[:2]:
        with Image.open(path) as picture:
            colours = picture.convert("RGB").getcolors(1 << 24)
            assert colours is not None
            assert len(colours) > 50
    with Image.open(written[2]) as gif:
        assert gif.n_frames == 8  # pyright: ignore[reportAttributeAccessIssue]


def test_inspect_plots_the_cell_state_of_an_lstm_only(recorded_run):
    written = inspect_run(recorded_run.directory, agent="0", state="cell")
    assert written[0].name == "agent0_epoch2_cell_states.png"
    with pytest.raises(ConfigError, match="the model of agent 1, gru_ppo, has no cell state"):
        inspect_run(recorded_run.directory, agent="1", state="cell")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"agent": "2"}, "the model of agent 2, iqn, has no hidden state"),
        ({"agent": "00"}, "there is no recorded agent '00'. Did you mean '0'? Valid: 0, 1"),
        ({"epoch": "9"}, "epoch 9 was not recorded. Valid: 0, 1, 2, all"),
        ({"colour": "rewards"}, "colour cannot be 'rewards'. Did you mean 'reward'?"),
        ({"state": "cells"}, "state cannot be 'cells'. Did you mean 'cell'?"),
    ],
)
def test_inspect_rejects_invalid_settings(settings, message, recorded_run):
    with pytest.raises(ConfigError) as error:
        inspect_run(recorded_run.directory, **settings)
    assert message in str(error.value)


def test_inspect_of_a_run_that_was_not_recorded_names_the_setting(tmp_path):
    files, _ = run(tmp_path / "run")
    with pytest.raises(
        ConfigError, match="no recorded states; run the training with record_states"
    ):
        inspect_run(files.directory)
    with pytest.raises(ConfigError, match="is not a directory"):
        inspect_states.main([str(tmp_path / "nowhere")])


def test_inspect_prints_the_paths_of_its_plots(recorded_run, capsys, monkeypatch):
    directory = str(recorded_run.directory)
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", "inspect", directory, "epoch=0"])
    cli.main()
    printed = capsys.readouterr().out.split()
    assert len(printed) == 3
    assert all(path.startswith(directory) for path in printed)
    with pytest.raises(ConfigError, match="expected the directory of one run, found 2 paths"):
        inspect_states.main([directory, directory])
    inspect_states.main(["--help"])
    assert "colour=reward" in capsys.readouterr().out


def test_inspect_does_not_change_the_recorded_states(recorded_run):
    path = recorded_run.recorded_states("0")
    before = path.read_bytes()
    inspect_run(recorded_run.directory)
    assert path.read_bytes() == before
    assert load_states(path).epochs == [0, 1, 2]


def written_at(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*")}


def test_inspect_writes_to_another_directory(recorded_run, tmp_path, monkeypatch, capsys):
    before = written_at(recorded_run.inspection)
    arguments = ["inspect", str(recorded_run.directory), f"output={tmp_path / 'plots'}"]
    monkeypatch.setattr("sys.argv", ["sorrel-recurrent-ppo", *arguments, "epoch=0"])
    cli.main()
    names = [f"agent0_epoch0_{name}" for name in ("hidden_components_reward.png",)]
    names += ["agent0_epoch0_hidden_states.png", "agent0_epoch0_view.gif"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == names
    shown = capsys.readouterr().out.split()
    assert sorted(shown) == [str(tmp_path / "plots" / name) for name in names]
    assert written_at(recorded_run.inspection) == before
