"""Drawing of the learning curve."""

import numpy as np
import pytest
from PIL import Image

from sorrel_recurrent_ppo.experiments.logging.plotting import learning_curve, plot_learning_curve
from sorrel_recurrent_ppo.run_files import RunFiles


def pixels_of(files):
    plot_learning_curve(files, "a run")
    with Image.open(files.learning_curve) as picture:
        return np.asarray(picture.convert("L"))


def test_plot_learning_curve_keeps_the_previous_file_on_failure(tmp_path):
    files = RunFiles(tmp_path)
    files.metrics.write_text("epoch,reward\n0,1\n")
    files.agents.write_text("epoch,agent,model,reward\n0,0,lstm_ppo,1\n")
    pixels_of(files)
    before = files.learning_curve.read_bytes()
    with pytest.raises(ValueError, match="no_such_command"):
        plot_learning_curve(files, "$\\no_such_command$")  # fails while it is being drawn
    assert files.learning_curve.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_plot_learning_curve_marks_replacements(tmp_path):
    files = RunFiles(tmp_path)
    files.metrics.write_text("epoch,reward\n" + "".join(f"{e},{e}\n" for e in range(101)))
    files.agents.write_text(
        "epoch,agent,model,reward\n" + "".join(f"{e},0,lstm_ppo,{e}\n" for e in range(101))
    )
    without = pixels_of(files)
    files.replacements.write_text("epoch,left,joined\n70,0,1\n")
    marked = pixels_of(files)
    changed = (without != marked).sum(axis=0)
    column = int(changed[changed.size // 2 :].argmax()) + changed.size // 2
    assert changed[column] > 200  # most of the height of both axes, dashed
    assert 0.6 < column / changed.size < 0.8


def test_plot_learning_curve_distinguishes_kinds_where_there_are_several(tmp_path):
    files = RunFiles(tmp_path)
    files.metrics.write_text("epoch,reward\n0,1\n1,1\n")
    rows = [f"{e},{k},iqn,{kind},1" for e in (0, 1) for k, kind in enumerate(["walker", "police"])]
    files.agents.write_text("\n".join(["epoch,agent,model,kind,reward", *rows]) + "\n")
    _, agents = learning_curve(files).axes
    lines, labels = agents.get_legend_handles_labels()
    assert labels == ["agent 0 (walker, iqn)", "agent 1 (police, iqn)"]
    assert len({line.get_linestyle() for line in lines}) == 2  # pyright: ignore[reportAttributeAccessIssue]
    files.agents.write_text(files.agents.read_text().replace("police", "walker"))
    _, agents = learning_curve(files).axes
    lines, labels = agents.get_legend_handles_labels()
    assert labels == ["agent 0 (iqn)", "agent 1 (iqn)"]
    assert len({line.get_linestyle() for line in lines}) == 1  # pyright: ignore[reportAttributeAccessIssue]
