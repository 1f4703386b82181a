"""Drawing of the learning curve."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from sorrel_recurrent_ppo.experiments.logging.plotting import learning_curve, plot_learning_curve
from sorrel_recurrent_ppo.run_files import RunFiles
from sorrel_recurrent_ppo.support.agent_colors import PALETTE, agent_style


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
    assert 0.5 < column / changed.size < 0.7


def write_agents(files, agents, epochs=range(4)):
    """Write the rows of agents, each a tuple of name, kind and first epoch."""
    files.metrics.write_text("epoch,reward\n" + "".join(f"{e},1\n" for e in epochs))
    rows = [
        f"{e},{k},{name},iqn,{kind},{e}"
        for e in epochs
        for k, (name, kind, first) in enumerate(agents)
        if e >= first
    ]
    files.agents.write_text("\n".join(["epoch,index,agent,model,kind,reward", *rows]) + "\n")


def curves_of(axes):
    lines, labels = axes.get_legend_handles_labels()
    return {
        label: (line.get_color(), line.get_linestyle())
        for line, label in zip(lines, labels, strict=True)
    }


def test_each_kind_has_a_panel_where_there_are_several(tmp_path):
    files = RunFiles(tmp_path)
    write_agents(files, [("0", "walker", 0), ("1", "police", 0)])
    _, walkers, police = learning_curve(files).axes
    assert [*curves_of(walkers)] == ["agent 0 (iqn)"]
    assert [*curves_of(police)] == ["agent 1 (iqn)"]
    assert [axes.get_ylabel() for axes in (walkers, police)] == [
        "reward per walker",
        "reward per police",
    ]
    write_agents(files, [("0", "walker", 0), ("1", "walker", 0)])
    _, agents = learning_curve(files).axes
    assert [*curves_of(agents)] == ["agent 0 (iqn)", "agent 1 (iqn)"]
    assert agents.get_ylabel() == "reward per agent"


def test_an_agent_keeps_its_colour_and_newcomers_are_labelled(tmp_path):
    files = RunFiles(tmp_path)
    write_agents(files, [(str(k), "walker", 0) for k in range(4)])
    before = curves_of(learning_curve(files).axes[1])
    write_agents(files, [("0", "", 0), ("4", "", 2), ("2", "", 0), ("3", "", 0)])
    files.replacements.write_text("epoch,left,joined\n2,1,4\n")
    after = curves_of(learning_curve(files).axes[1])
    assert "agent 4 (iqn, since epoch 2, after agent 1)" in after
    assert all(after[f"agent {k} (iqn)"] == before[f"agent {k} (iqn)"] for k in (0, 2, 3))


@pytest.mark.parametrize("first", [0, 3])
def test_a_single_epoch_is_visible(tmp_path, first):
    files = RunFiles(tmp_path)
    write_agents(files, [("0", "walker", 0), ("1", "walker", 3)], epochs=range(first, 4))
    total, agents = learning_curve(files).axes
    first_agent, newcomer = agents.lines
    assert newcomer.get_marker() == "o"
    assert total.lines[-1].get_marker() == ("o" if first == 3 else "None")
    assert first_agent.get_marker() == ("o" if first == 3 else "None")


def test_the_legend_is_beside_the_data(tmp_path):
    files = RunFiles(tmp_path)
    write_agents(files, [(str(k), kind, 0) for k in range(4) for kind in ("walker",)])
    figure = learning_curve(files)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        box = legend.get_window_extent(canvas.get_renderer())
        assert box.x0 >= axes.bbox.x1
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_the_latest_of_many_agents_are_in_the_legend(tmp_path):
    files = RunFiles(tmp_path)
    write_agents(files, [(str(k), "walker", 0) for k in range(17)])
    legend = learning_curve(files).axes[1].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "the last 14 of 17"
    texts = [text.get_text() for text in legend.get_texts()]
    assert (len(texts), texts[0], texts[-1]) == (14, "agent 3 (iqn)", "agent 16 (iqn)")


def test_styles_of_agents_differ_and_are_dark_on_white():
    styles = [agent_style(str(k)) for k in range(28)]
    assert len(set(styles)) == 28
    assert agent_style("3") == agent_style("3")
    for color in PALETTE:
        red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75, color


def test_long_curves_are_drawn_with_few_points_and_a_band(tmp_path):
    files = RunFiles(tmp_path)
    rewards = np.random.default_rng(1).normal(size=30_001).round(3)
    rows = "".join(f"{e},{reward}\n" for e, reward in enumerate(rewards))
    files.metrics.write_text("epoch,reward\n" + rows)
    of_agents = "".join(f"{e},{k},iqn,{r}\n" for e, r in enumerate(rewards) for k in (0, 1))
    files.agents.write_text("epoch,agent,model,reward\n" + of_agents)
    total, agents = learning_curve(files).axes
    (band,) = total.collections
    low, high = band.get_datalim(total.transData).intervaly
    assert (low, high) == (rewards.min(), rewards.max())
    assert len(total.lines) == 1
    for line in (*total.lines, *agents.lines):
        epochs, means = (np.asarray(data, float) for data in line.get_data())
        assert 1000 < len(epochs) <= 2000
        assert epochs[-1] == 30_000
        assert means[-1] == pytest.approx(rewards[-1500:].mean(), abs=0.01)
