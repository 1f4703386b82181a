"""The provenance file of a run."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from support.small_runs import resume, run

pytestmark = pytest.mark.usefixtures("own_process")


def test_provenance_holds_seeds_and_versions(tmp_path):
    files, _ = run(tmp_path / "run", "tag", "lstm_ppo")
    saved = OmegaConf.to_container(OmegaConf.load(files.provenance))
    assert isinstance(saved, dict)
    assert saved["seed"] == 5
    assert [agent["name"] for agent in saved["agents"]] == ["0", "1", "2"]
    assert len({agent["seed"] for agent in saved["agents"]}) == 3
    [session] = saved["sessions"]
    assert session["versions"]["numpy"] == np.__version__
    assert session["versions"]["torch"] == torch.__version__


def test_resume_warns_of_changed_versions(tmp_path, caplog):
    files, _ = run(tmp_path / "run")
    saved = OmegaConf.load(files.provenance)
    saved.sessions[0].versions.torch = "1.0"  # pyright: ignore[reportAttributeAccessIssue]
    OmegaConf.save(saved, files.provenance)
    resume(files, "experiment.epochs=3")
    assert f"torch 1.0 -> {torch.__version__}" in caplog.text
    assert "numpy" not in caplog.text
