"""The handwritten reference pages, compared with the code: metrics, files, states, public names."""

import csv
import inspect
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import sorrel_recurrent_ppo
from sorrel_recurrent_ppo.experiments.environments import build_environment
from sorrel_recurrent_ppo.experiments.logging.csv_sink import CsvSink
from sorrel_recurrent_ppo.experiments.logging.epoch_records import (
    AgentRecord,
    EpochRecord,
    scalars,
)
from sorrel_recurrent_ppo.models import reference_api
from sorrel_recurrent_ppo.population.records import Replacement
from sorrel_recurrent_ppo.recording.recorded_states import CELL_STATES, PER_STEP, Subject
from sorrel_recurrent_ppo.run_files import RunFiles
from support.packaged_configs import packaged_configs
from support.small_models import MODELS, play, small_model
from support.small_runs import run

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def sections(page):
    """Return the text of a page by heading."""
    parts = re.split(r"^#+ (.+)$", (REFERENCE / page).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_column(text):
    """Return the names in the first column of all tables in a text."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def header(path):
    with path.open(newline="") as file:
        return next(csv.reader(file))


@pytest.mark.parametrize("model", MODELS)
def test_metrics_page_has_every_diagnostic_of_an_update(model):
    trained = small_model(model)
    play(trained, trained.settings.rollout_length)
    trained.train_step()
    assert trained.n_updates == 1
    shown = first_column(sections("metrics.md")["Diagnostics of an update"])
    assert sorted(shown) == sorted(trained.diagnostics)


@pytest.mark.parametrize("name", ["metrics.csv", "agents.csv"])
def test_metrics_page_has_the_columns_of_the_csv_files(name, tmp_path):
    files = RunFiles(tmp_path)
    CsvSink(files).close()
    assert first_column(sections("metrics.md")[name]) == header(tmp_path / name)


def test_metrics_page_has_the_columns_of_replacements():
    shown = first_column(sections("metrics.md")["replacements.csv"])
    assert shown == [field.name for field in fields(Replacement)]


def test_metrics_page_has_the_names_in_dashboards():
    agent = AgentRecord("0", 0, "lstm_ppo", 1.0, {"train/value_loss": 1.0})
    record = EpochRecord(0, 1.0, 1.0, 0.0, 1, 1, 1.0, {}, [agent])
    shown = first_column(sections("metrics.md")["TensorBoard and wandb"])
    sorrels_own = {"score", "loss", "epsilon"}
    assert sorrels_own < set(shown)
    patterns = [
        re.escape(name).replace("<agent>", r"\w+").replace("<name>", ".+") for name in shown
    ]
    for name in scalars(record):
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name
    assert len(set(shown) - sorrels_own) == len(scalars(record))


@pytest.mark.parametrize("environment", ["cue_recall", "state_punishment"])
def test_metrics_page_has_the_metrics_of_the_packaged_environments(environment, tmp_path):
    config = compose_small(environment)
    env = build_environment(config)
    env.run_experiment(animate=False, output_dir=tmp_path)
    text = sections("metrics.md")["Metrics of the packaged environments"]
    shown = first_column(text.partition(f"`{environment}`:\n")[2].partition("`:\n")[0])
    by_default = set(re.findall(r"`(turn_\w+)`", sections("metrics.md")["metrics.csv"]))
    assert sorted({*shown, *by_default}) == sorted(env.aggregate_epoch_stats())


def compose_small(environment):
    from hydra import compose

    small = ["experiment.epochs=0", "experiment.max_turns=60", "model=iqn"]
    with packaged_configs():
        return compose("config", [f"environment={environment}", *small])


def test_run_files_page_has_every_file():
    shown = " ".join(first_column((REFERENCE / "run-files.md").read_text()))
    files = RunFiles(Path("run"))
    for name, _ in inspect.getmembers(RunFiles, lambda member: isinstance(member, property)):
        assert getattr(files, name).name in shown or name == "gifs", name


def test_recorded_states_page_has_every_array():
    shown = first_column((REFERENCE / "recorded-states.md").read_text())
    subject = [field.name for field in fields(Subject)]
    assert shown == [*PER_STEP, CELL_STATES, *subject]


def test_recorded_states_page_has_the_types_and_shapes(tmp_path):
    files, _ = run(tmp_path, "treasurehunt", "lstm_ppo", "record_states=true")
    with np.load(files.recorded_states("0"), allow_pickle=False) as states:
        n, size = states["observations"].shape
        named = {"N": n, "size": size, "hidden_size": 8}
        for line in (REFERENCE / "recorded-states.md").read_text().splitlines():
            if line.startswith("| `") and "str" not in line:
                key, shape, dtype = (cell.strip(" `") for cell in line.split("|")[1:4])
                expected = [named.get(part, part) for part in re.findall(r"\w+", shape)]
                assert states[key].dtype == dtype, key
                assert [str(n) for n in expected] == [str(n) for n in states[key].shape] or (
                    key in ("picture", "action_dims")
                ), key


def test_api_pages_document_every_public_name_once():
    pages = "\n".join(path.read_text() for path in (REFERENCE / "api").glob("*.md"))
    for name in sorrel_recurrent_ppo.__all__:
        assert len(re.findall(rf"^\.\. auto\w+:: {name}(\(.*\))?$", pages, re.MULTILINE)) == 1, name


@pytest.mark.parametrize(
    ("shown", "api"),
    [
        ("RecurrentPPOLSTM", reference_api.SingleHeadApi),
        ("DualHeadRecurrentPPO", reference_api.DualHeadApi),
    ],
)
def test_models_page_documents_the_reference_api(shown, api):
    text = (REFERENCE / "api" / "models.md").read_text()
    members = re.search(rf"autoclass:: {shown}\n.*\n   :members: (.+)", text)
    assert members is not None
    public = {name for name in vars(api) if not name.startswith("_")}
    assert set(members[1].split(", ")) == public
