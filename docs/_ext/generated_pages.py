"""Sphinx extension: fill the generated parts of reference pages when the site is built.

A line ``<!-- generated: NAME ARGUMENT -->`` of a page is replaced by generated Markdown:

- ``configuration GROUP``: the settings of a configuration group, ``configuration`` alone those of
  the main file;
- ``commands``: the help of all commands.

A page is read again when a file changes that it is generated from.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from command_reference import command_page
from config_reference import UndocumentedKeys, config_files, config_page

__all__ = ["expand", "setup"]

PLACEHOLDER = re.compile(r"^<!-- generated: (\w+)(?: (\w+))? -->$", re.MULTILINE)
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def expand(source: str) -> str:
    """Replace the placeholders in a page's source.

    Raises:
        UndocumentedKeys: A key of the configuration has no comment.
        ValueError: A placeholder names nothing that can be generated.
    """
    return PLACEHOLDER.sub(lambda found: _generate(found[1], found[2] or ""), source)


def _generate(name: str, argument: str) -> str:
    if name == "configuration":
        return config_page(CONFIGS, argument)
    if name == "commands":
        return command_page()
    raise ValueError(f"there is nothing to generate named '{name}'; valid: configuration, commands")


def _on_source_read(app: Any, docname: str, content: list[str]) -> None:
    """Fill the placeholders of a page; an error is a warning, so that `-W` fails the build."""
    from sphinx.util import logging

    for name, argument in PLACEHOLDER.findall(content[0]):
        if name == "configuration":
            for path in config_files(CONFIGS, argument):
                app.env.note_dependency(str(path))
        else:
            app.env.note_reread()
    try:
        content[0] = expand(content[0])
    except (UndocumentedKeys, ValueError, RuntimeError) as error:
        for line in str(error).splitlines():
            logging.getLogger(__name__).warning("%s", line, location=docname)


def setup(app: Any) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _on_source_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
