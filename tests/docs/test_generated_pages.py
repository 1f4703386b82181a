"""The generated parts of reference pages: placeholders, and the help of the commands."""

from pathlib import Path

import pytest

from command_reference import command_names, command_page, help_text
from config_reference import config_groups
from generated_pages import CONFIGS, PLACEHOLDER, expand
from sorrel_recurrent_ppo.config_files import config_dir

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_page_of_the_configuration_covers_every_group():
    page = (REFERENCE / "configuration.md").read_text()
    shown = [argument for name, argument in PLACEHOLDER.findall(page) if name == "configuration"]
    assert sorted(shown) == sorted(["", *config_groups(config_dir())])


def test_configs_of_the_site_are_those_of_the_package():
    assert config_dir() == CONFIGS


def test_placeholder_is_replaced_and_other_text_is_kept():
    page = expand("# Title\n\n<!-- generated: configuration logger -->\n\n<!-- a comment -->\n")
    assert page.startswith("# Title\n\n(config-logger-files)=\n")
    assert "| `logger.mode` | `online` |" in page
    assert page.endswith("<!-- a comment -->\n")


def test_unknown_placeholder_is_an_error():
    with pytest.raises(ValueError, match="nothing to generate named 'weather'"):
        expand("<!-- generated: weather -->")


def test_page_of_the_commands_has_the_help_of_each():
    page = command_page()
    for name in command_names():
        assert f"## `{name}`" in page
        assert help_text(name) in page
    assert "max_turns: 100" in page  # Hydra's help, with the settings
    assert "by=model" in page


def test_failing_command_is_an_error():
    with pytest.raises(RuntimeError, match="there is no command 'walk'"):
        help_text("walk")
