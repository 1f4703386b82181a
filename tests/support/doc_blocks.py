"""Blocks of commands and code in Markdown pages, and commands reduced to seconds."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = "sorrel-recurrent-ppo"
_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,})(?P<language>\w+)$")
_HINT = re.compile(r"^<!-- (?P<name>not run|run with): (?P<text>.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Its page, relative to the checkout.
        line: The line of its fence, from 1.
        language: The language of the fence, such as ``"sh"``.
        text: Its content.
        not_run: The reason not to run it; empty for none.
        run_with: Settings for its commands instead of the usual reductions.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    run_with: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the Markdown files that users read."""
    site = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    others = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")]
    return [*others, *sorted(site)]


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of some languages in all pages."""
    found = (block for page in pages() for block in read_blocks(page.read_text(), page))
    return [block for block in found if block.language in languages]


def read_blocks(text: str, page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, with the hints in the comments directly before them."""
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else str(page)
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        number += 1
        if fence is None:
            continue
        end = fence["indent"] + fence["marks"]
        content = []
        while lines[number] != end:
            content.append(lines[number].removeprefix(fence["indent"]))
            number += 1
        first = number - len(content)
        hints = dict(_hints(lines[: first - 1]))
        yield Block(
            page=name,
            line=first,
            language=fence["language"],
            text="\n".join(content),
            not_run=hints.get("not run", ""),
            run_with=tuple(shlex.split(hints.get("run with", ""))),
        )


def _hints(lines_before: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in reversed(lines_before):
        hint = _HINT.match(line.strip())
        if hint is None:
            return
        yield hint["name"], hint["text"]


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a block of shell commands."""
    joined = re.sub(r"\\\n\s*", " ", block.text)
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def reduced(words: Sequence[str], block: Block) -> list[str]:
    """Return a command that trains, with settings that reduce it to seconds."""
    if words[:2] not in ([PROGRAM, "run"], ["sorrel", "run"]) or is_resumed(words):
        return list(words)
    if block.run_with:
        return [*words, *block.run_with]
    epochs, added = 2, []
    if "environment=cue_recall" not in words:  # whose trials need many turns
        added.append("experiment.max_turns=5")
    if any(word.lstrip("+").startswith("replacement") for word in words):
        epochs = 11  # past the first replacement of every packaged schedule but that of cohorts
        if any(word.endswith("replacement=cohort") for word in words):
            added.append("replacement.epochs=[1]")
    return [*words, f"experiment.epochs={epochs}", *added]


def is_resumed(words: Sequence[str]) -> bool:
    """Return whether a command resumes a run, most of whose settings cannot be changed."""
    return any(word.startswith("resume=") for word in words)


def with_run_directory(words: Sequence[str], folder: Path) -> list[str]:
    """Replace ``RUN_DIR`` and ``OTHER_RUN`` by the latest run below a folder."""
    runs = sorted(folder.rglob("metrics.csv"), key=lambda path: path.stat().st_mtime)
    latest = str(runs[-1].parent.relative_to(folder)) if runs else "RUN_DIR"
    return [re.sub(r"\b(RUN_DIR|OTHER_RUN)\b", latest, word) for word in words]
