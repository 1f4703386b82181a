"""Files of the project: versions that agree, workflows that cover what is supported, links."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Files that the repository's host shows, outside the site.
SHOWN = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md", "benchmarks/README.md"]


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())


def test_citation_has_the_version_and_date_of_the_changelog():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.search(r"^## (\d\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released is not None
    assert (str(citation["version"]), str(citation["date-released"])) == released.groups()
    assert PROJECT["version"] == released[1]


def test_changelog_has_a_section_for_unreleased_changes():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_workflows_cover_platforms_pythons_and_versions_of_hydra():
    matrix = workflow("tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    classifiers = [text.rpartition(" ")[2] for text in PROJECT["classifiers"]]
    assert set(matrix["python"]) <= set(classifiers)
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"
    assert len(matrix["hydra"]) == 2


def test_workflow_of_the_style_runs_what_make_lint_and_make_types_run():
    made = re.findall(
        r"^\t@\$\(VENV\) ([a-z-]+(?: [a-z]+)?)", (ROOT / "Makefile").read_text(), re.M
    )
    steps = workflow("tests.yml")["jobs"]["style-and-types"]["steps"]
    run = " ".join(step.get("run", "") for step in steps)
    for command in ("ruff check", "ruff format", "lint-imports", "codespell", "pyright"):
        assert command in made
        assert command in run


def test_weekly_workflow_tests_sorrels_main_branch():
    weekly = workflow("sorrel-main.yml")
    assert "schedule" in weekly[True]  # YAML reads the key `on` as a truth value
    assert any("@main" in step.get("run", "") for step in weekly["jobs"]["tests"]["steps"])


@pytest.mark.parametrize("name", SHOWN)
def test_relative_links_lead_to_files(name):
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert ((ROOT / name).parent / target).exists(), target


def test_address_of_the_repository_has_one_place():
    address = PROJECT["urls"]["Repository"]
    for folder in (".github", "docs", "sorrel_recurrent_ppo", "configs", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".md", ".py", ".yaml", ".yml") and "_build" not in path.parts:
                assert address not in path.read_text(), path
