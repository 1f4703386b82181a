"""The reference of the packaged configuration, from the YAML files and their comments.

It needs neither Sphinx nor the package: `config_page` returns Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = [
    "ConfigFile",
    "Setting",
    "UndocumentedKeys",
    "config_files",
    "config_groups",
    "config_page",
    "read_config_file",
]

# Hydra's own output: what the terminal shows, not settings of a run.
_NOT_SETTINGS = ("hydra.job_logging", "hydra.help")
_HEADING = re.compile(r"# --- (.+) ---$")
_CODE = re.compile(
    r"(?<!\S)(?:"
    r"null|true|false"  # constants
    r"|[A-Za-z]+(?:_\w+)+(?:[./]\w+)*"  # names with underscores
    r"|[A-Za-z]{2,}\w*(?:[./][A-Za-z]\w*)+"  # dotted names and paths
    r"|\w+(?= \\\|)"  # choices, before ...
    r"|(?<=\\\| )\w+"  # ... and after a bar
    r")(?!\w)"
)


class UndocumentedKeys(ValueError):
    """Keys of a configuration file have no comment."""


@dataclass(frozen=True)
class Setting:
    """A key of a configuration file.

    Attributes:
        key: Its dotted name within the file.
        default: Its value as written in the file; empty for a section.
        meaning: Its comment.
        heading: The heading above it (``# --- heading ---``); empty for none.
        line: Its line in the file, from 1.
    """

    key: str
    default: str
    meaning: str
    heading: str
    line: int


class Extended(NamedTuple):
    """A file of the same group that a file extends, and the section that gets its keys."""

    file: str
    section: str


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file.

    Attributes:
        path: Its path.
        name: Its path below the configuration folder, without the suffix.
        description: The comment at its start, as Markdown.
        is_global: Whether its keys are absolute (``# @package _global_``).
        settings: Its keys in the order of the file.
        extends: The files that it extends.
    """

    path: Path
    name: str
    description: str
    is_global: bool
    settings: Sequence[Setting]
    extends: Sequence[Extended] = field(default=())

    @property
    def group(self) -> str:
        """The configuration group; empty for the main file."""
        return self.name.rpartition("/")[0].partition("/")[0]


def config_files(folder: Path, group: str = "") -> list[Path]:
    """Return the files of a group, those that others extend first; of no group the main file."""
    if not group:
        return [folder / "config.yaml"]
    files = (folder / group).rglob("*.yaml")
    return sorted(files, key=lambda path: (-len(path.parts), path.name))


def config_groups(folder: Path) -> list[str]:
    """Return the names of the configuration groups."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def config_page(folder: Path, group: str = "") -> str:
    """Return the reference of a group's files, or of the main file, as Markdown.

    Args:
        folder: The configuration folder.
        group: The group, a folder in it; empty for the main file ``config.yaml``.

    Raises:
        UndocumentedKeys: Keys have no comment; all of them are named.
    """
    paths = config_files(folder, group)
    files, errors = [], []
    for path in paths:
        try:
            files.append(read_config_file(path, folder))
        except UndocumentedKeys as error:
            errors.append(str(error))
    if errors:
        raise UndocumentedKeys("\n".join(errors))
    return "\n".join(_file_section(file, files) for file in files)


def read_config_file(path: Path, folder: Path) -> ConfigFile:
    """Read a configuration file with its comments.

    A key's comment follows its value on the same line, and continues on the next lines if they
    have a comment in the same column; or it is in the lines directly above, indented like the key.
    A key without a comment has that of the same key in a file that this one extends.

    Args:
        path: The file.
        folder: The configuration folder.

    Raises:
        UndocumentedKeys: Keys have no comment; all of them are named with their lines.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    header = list(_header(lines))
    extends = _extended_files(text)
    inherited = {
        setting.key: setting.meaning
        for extended in extends
        for setting in read_config_file(path.parent / f"{extended.file}.yaml", folder).settings
    }
    settings = [
        Setting(
            key=entry.key,
            default=entry.default,
            meaning=_comment(lines, entry, first=len(header)) or inherited.get(entry.key, ""),
            heading=_heading(lines, entry.line),
            line=entry.line + 1,
        )
        for entry in _entries(yaml.compose(text), text)
    ]
    missing = [setting for setting in settings if setting.default and not setting.meaning]
    if missing:
        raise UndocumentedKeys(
            "\n".join(f"{path}:{s.line}: the key '{s.key}' has no comment" for s in missing)
        )
    return ConfigFile(
        path=path,
        name=path.relative_to(folder).with_suffix("").as_posix(),
        description=_description(header),
        is_global="# @package _global_" in header,
        settings=[setting for setting in settings if setting.meaning],
        extends=extends,
    )


class _Entry(NamedTuple):
    """A key; without a default, it is a section. Positions are counted from 0."""

    key: str
    default: str
    line: int
    column: int
    end_line: int
    end_column: int


def _entries(node: yaml.Node | None, text: str, prefix: str = "") -> Iterator[_Entry]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key_node, value in node.value:
        key = f"{prefix}{key_node.value}"
        if key in _NOT_SETTINGS:
            continue
        if key == "defaults":
            yield from _choices(value, text)
        elif isinstance(value, yaml.MappingNode) and not value.flow_style:
            start, line = key_node.start_mark, key_node.end_mark
            yield _Entry(key, "", start.line, start.column, line.line, line.column + 1)
            yield from _entries(value, text, f"{key}.")
        else:
            yield _entry(key, key_node, value, text)


def _choices(node: yaml.Node, text: str) -> Iterator[_Entry]:
    """Yield the entries ``group: choice`` of a defaults list; a choice is a setting, too."""
    for item in node.value:
        if isinstance(item, yaml.MappingNode):
            for key_node, value in item.value:
                yield _entry(key_node.value.removeprefix("optional "), key_node, value, text)


def _entry(key: str, key_node: yaml.Node, value: yaml.Node, text: str) -> _Entry:
    start, end = key_node.start_mark, value.end_mark
    source = text[value.start_mark.index : end.index].strip()
    return _Entry(key, source or "null", start.line, start.column, end.line, end.column)


def _comment(lines: Sequence[str], entry: _Entry, first: int) -> str:
    """Return the comment of a key; ``first`` is the first line after the file's header."""
    rest = lines[entry.end_line][entry.end_column :]
    if rest.lstrip().startswith("#"):
        column = entry.end_column + rest.index("#")
        texts = [rest]
        for line in lines[entry.end_line + 1 :]:
            if not line.lstrip().startswith("#") or line.index("#") != column:
                break
            texts.append(line)
    else:
        texts = []
        for line in reversed(lines[first : entry.line]):
            indented = line.startswith(" " * entry.column + "#")
            if not indented or _HEADING.match(line.strip()):
                break
            texts.insert(0, line)
    return " ".join(text.strip().removeprefix("#").strip() for text in texts)


def _heading(lines: Sequence[str], line: int) -> str:
    """Return the latest heading above a line."""
    for text in reversed(lines[:line]):
        heading = _HEADING.match(text.strip())
        if heading:
            return heading[1]
    return ""


def _header(lines: Sequence[str]) -> Iterator[str]:
    """Yield the comment lines at the start of a file."""
    for line in lines:
        if not line.startswith("#") or _HEADING.match(line):
            return
        yield line


def _description(header: Sequence[str]) -> str:
    """Return a file's header as Markdown: indented lines are a block of code."""
    texts = [line.removeprefix("#").removeprefix(" ") for line in header]
    written: list[str] = []
    in_code = False
    for text in texts:
        if text.startswith("@package"):
            continue
        is_code = text.startswith("  ")
        if is_code != in_code:
            written.extend(["", "```sh"] if is_code else ["```", ""])
            in_code = is_code
        written.append(text[2:] if is_code else _markdown(text))
    if in_code:
        written.append("```")
    return "\n".join(written)


def _extended_files(text: str) -> list[Extended]:
    """Return the entries ``file@section`` of a defaults list."""
    content: Mapping[str, Any] = yaml.safe_load(text) or {}
    entries = [entry for entry in content.get("defaults", ()) if isinstance(entry, str)]
    return [Extended(*entry.split("@")) for entry in entries if "@" in entry]


def _file_section(file: ConfigFile, group: Sequence[ConfigFile]) -> str:
    """Return the section of a file: description, what it extends, and tables of its keys."""
    is_choice = file.name.count("/") == 1
    title = file.name.replace("/", "=") if is_choice else f"{file.name}.yaml"
    written = [f"(config-{_slug(file.name)})=", f"### `{title}`", "", file.description]
    sections = _sections_of(file, group)
    for extended in file.extends:
        name = f"{file.group}/{extended.file}"
        where = "" if extended.section == "_here_" else f" in the section `{extended.section}`"
        written += ["", f"Has all keys of [`{name}.yaml`](#config-{_slug(name)}){where}."]
    if len(sections) > 1:
        listed = " and ".join(f"`{section}`" for section in sections)
        example = f"{sections[0]}.{file.settings[0].key}={file.settings[0].default}"
        written += ["", f"Keys of the sections {listed}, as in `{example}`."]
    prefix = f"{sections[0]}." if len(sections) == 1 and sections[0] else ""
    written += ["", *_tables(file.settings, prefix)]
    return "\n".join([*written, ""])


def _sections_of(file: ConfigFile, group: Sequence[ConfigFile]) -> list[str]:
    """Return the sections of the composed config that get a file's keys."""
    if file.is_global or not file.group:
        return [""]
    below = file.name.removeprefix(f"{file.group}/")
    extending = [e.section for other in group for e in other.extends if e.file == below]
    names = [file.group if s == "_here_" else f"{file.group}.{s}" for s in extending or ["_here_"]]
    return list(dict.fromkeys(names))


def _tables(settings: Sequence[Setting], prefix: str) -> Iterator[str]:
    """Yield the lines of one table for each heading of a file."""
    for heading in dict.fromkeys(setting.heading for setting in settings):
        if heading:
            yield from ["", f"**{heading[0].upper()}{heading[1:]}**", ""]
        yield "| key | default | meaning |"
        yield "|---|---|---|"
        for setting in settings:
            if setting.heading == heading:
                key, meaning = _code(prefix + setting.key), _markdown(setting.meaning)
                yield f"| {key} | {_default(setting)} | {meaning} |"


def _default(setting: Setting) -> str:
    if not setting.default:
        return ""
    return "required" if setting.default == "???" else _code(setting.default)


def _code(text: str) -> str:
    escaped = text.replace("|", r"\|")
    return f"`{escaped}`"


def _markdown(text: str) -> str:
    """Escape a comment, and set names, choices and constants in it as code."""
    written: list[str] = []
    for part in re.split(r"(`[^`]*`)", text):
        escaped = part.replace("|", r"\|")
        if not part.startswith("`"):
            escaped = _CODE.sub(lambda name: f"`{name[0]}`", escaped.replace("<", r"\<"))
        written.append(escaped)
    return "".join(written)


def _slug(name: str) -> str:
    return re.sub(r"[/_]", "-", name)
