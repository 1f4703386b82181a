"""The configuration reference: keys, defaults and comments of YAML files as Markdown tables."""

import textwrap

import pytest
import yaml

from config_reference import (
    UndocumentedKeys,
    config_files,
    config_groups,
    config_page,
    read_config_file,
)
from sorrel_recurrent_ppo.config_files import config_dir

GROUPS = ["", *config_groups(config_dir())]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "configs"


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def rows(page):
    """Return the rows of all tables of a page as lists of cells."""
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    return [
        [cell.strip().replace("\0", "|") for cell in line.replace(r"\|", "\0").split("|")[1:-1]]
        for line in lines
    ]


@pytest.mark.parametrize(
    ("text", "default", "meaning"),
    [
        ("size: 3  # cells", "3", "cells"),
        ("size: null   # null: as many as needed", "null", "null: as many as needed"),
        ("rate: 1.0e-3  # step size", "1.0e-3", "step size"),
        ("steps: 50_000 # agent steps", "50_000", "agent steps"),
        ("dims: [5, 3]  # sizes, e.g. [5, 3]", "[5, 3]", "sizes, e.g. [5, 3]"),
        ("apple: {count: 1, value: 2.0}  # an apple", "{count: 1, value: 2.0}", "an apple"),
        ("name: 'a # b'  # a name", "'a # b'", "a name"),
        ("mode: a  # a | b |\n         # c", "a", "a | b | c"),
        ("# above\n# the key\nsize: 3", "3", "above the key"),
        ("size:  # nothing yet", "null", "nothing yet"),
    ],
)
def test_default_is_as_written_and_meaning_is_the_comment(text, default, meaning, folder):
    path = write(folder, "config.yaml", f"other: 1  # another\n\n{text}\n")
    setting = read_config_file(path, folder).settings[-1]
    assert (setting.default, setting.meaning) == (default, meaning)


def test_keys_of_sections_are_dotted_and_headings_separate_tables(folder):
    write(
        folder,
        "config.yaml",
        """\
        # A title.
        #   code --here

        # --- first part ---
        world:  # the world
          size: 3  # cells
          inner:
            deep: 1  # deep down

        # --- second part ---
        seed: 1  # of everything
        """,
    )
    page = config_page(folder)
    assert rows(page) == [
        ["`world`", "", "the world"],
        ["`world.size`", "`3`", "cells"],
        ["`world.inner.deep`", "`1`", "deep down"],
        ["`seed`", "`1`", "of everything"],
    ]
    assert page.index("**First part**") < page.index("`world`") < page.index("**Second part**")
    assert "A title.\n\n```sh\ncode --here\n```" in page


def test_keys_without_comment_are_errors_that_name_file_line_and_key(folder):
    write(folder, "group/one.yaml", "# A file.\na: 1\nb: 2  # two\n")
    write(folder, "group/two.yaml", "# --- part ---\nc:\n  d: 1\n")
    with pytest.raises(UndocumentedKeys) as raised:
        config_page(folder, "group")
    first, second = str(raised.value).splitlines()
    assert first.endswith("one.yaml:2: the key 'a' has no comment")
    assert second.endswith("two.yaml:3: the key 'c.d' has no comment")


def test_extending_file_has_the_meanings_and_links_the_extended_file(folder):
    write(folder, "model/base/common.yaml", "size: 3  # width\n")
    write(folder, "model/a.yaml", "defaults:\n  - base/common@a\n  - _self_\ntype: a  # name\n")
    write(folder, "model/b.yaml", "defaults:\n  - base/common@_here_\n  - _self_\nsize: 4\n")
    page = config_page(folder, "model")
    assert "Keys of the sections `model.a` and `model`, as in `model.a.size=3`." in page
    link = "[`model/base/common.yaml`](#config-model-base-common)"
    assert f"Has all keys of {link} in the section `a`." in page
    assert rows(page) == [
        ["`size`", "`3`", "width"],
        ["`model.type`", "`a`", "name"],
        ["`model.size`", "`4`", "width"],
    ]


def test_choices_of_the_main_file_are_settings(folder):
    write(folder, "config.yaml", "defaults:\n  - optional model: a  # a | b\n  - _self_\n")
    assert rows(config_page(folder)) == [["`model`", "`a`", "`a` | `b`"]]


def test_names_in_comments_are_code_and_markup_is_escaped(folder):
    write(folder, "config.yaml", "a: 1  # null: other_key of <name>, see run.log; `as is`\n")
    ((_, _, meaning),) = rows(config_page(folder))
    assert meaning == r"`null`: `other_key` of \<name>, see `run.log`; `as is`"


@pytest.mark.parametrize("group", GROUPS)
def test_packaged_keys_all_have_a_row(group):
    page = config_page(config_dir(), group)
    shown = [key.strip("`") for key, _, _ in rows(page)]
    for path in config_files(config_dir(), group):
        content = yaml.safe_load(path.read_text()) or {}  # a file may have only a comment
        for key in leaf_keys(content):
            if key.split(".")[0] != "defaults" and not key.startswith(("hydra.job_l", "hydra.he")):
                assert any(name == key or name.endswith(f".{key}") for name in shown), key


def leaf_keys(content, prefix=""):
    for key, value in content.items():
        one_row = key in ("apple", "coal", "gem")  # mappings on one line
        if isinstance(value, dict) and value and not one_row:
            yield from leaf_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_changed_default_changes_the_page(folder):
    path = write(folder, "config.yaml", "seed: 1  # of everything\n")
    before = config_page(folder)
    path.write_text(path.read_text().replace("seed: 1", "seed: 2"))
    assert rows(before) != rows(config_page(folder))
