"""The command ``evaluate``: its table, its files and its error messages."""

import json

import numpy as np
import pytest
from PIL import Image

from sorrel_recurrent_ppo.errors import ConfigError
from sorrel_recurrent_ppo.reports import evaluate
from support.saved_run_files import read_rows

pytestmark = pytest.mark.usefixtures("own_process")


def test_evaluate_prints_a_table_and_writes_files_into_the_run(finished_run, capsys):
    saved_run = finished_run("treasurehunt", "gru_ppo")
    arguments = [str(saved_run.directory), "epochs=3", "max_turns=5"]
    evaluate.main(arguments)
    shown = " ".join(capsys.readouterr().out.split())  # the title may be wrapped
    for word in ("sampled", "deterministic", "total", "gru_ppo", "\u00b1", "[min, max]"):
        assert word in shown
    (folder,) = (saved_run.directory / "evaluation").iterdir()
    rows = read_rows(folder / "epochs.csv")
    assert [(row["mode"], row["epoch"]) for row in rows[2:4]] == [
        ("sampled", "2"),
        ("deterministic", "0"),
    ]
    total, first, *_ = read_rows(folder / "summary.csv")
    rewards = [float(row["reward"]) for row in rows[:3]]
    assert (total["mode"], total["index"], first["index"]) == ("sampled", "total", "0")
    assert float(total["mean"]) == pytest.approx(np.mean(rewards))
    assert float(total["std"]) == pytest.approx(np.std(rewards, ddof=1))
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["agents"][1]["checkpoint"] == str(saved_run.files.checkpoint("1"))
    assert len(content["epochs"]) == 6
    with Image.open(folder / "sampled.gif") as picture:
        assert picture.n_frames > 1  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigError, match="already contains an evaluation"):
        evaluate.main([*arguments, f"output={folder}"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("epochs=0", "epochs must be an integer of at least 1, not 0"),
        ("epochs=two", "epochs=two: Value 'two'"),
        ("epoch=2", "there is no setting 'epoch'. Did you mean 'epochs'?"),
        ("mode=determined", "Did you mean 'deterministic'?"),
        ("agents.7=:0", "has no agent with index '7'. Valid: 0, 1"),
        ("agents.1=:8", "has no agent '8'"),
        ("agents.1=somewhere", "agents.1=somewhere: expected RUN_DIR:NAME"),
        ("agents.1=nowhere:0", "nowhere is not a directory"),
        ("device=warp", "warp"),
    ],
)
def test_evaluate_rejects_invalid_arguments(argument, message, finished_run):
    with pytest.raises(ConfigError) as error:
        evaluate.main([str(finished_run().directory), argument, "gif=false", "max_turns=1"])
    assert message in str(error.value)
