"""Reading columns of large CSV files in blocks."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorrel_recurrent_ppo.support import csv_blocks
from sorrel_recurrent_ppo.support.csv_blocks import (
    column_names,
    read_blocks,
    to_numbers,
    to_text,
)

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


def read(path, names=None):
    """Return the columns of all blocks, as lists of text."""
    columns = {name: [] for name in column_names(path)}
    for block in read_blocks(path, names):
        for name, cells in block.items():
            columns[name] += to_text(cells).tolist()
    return columns


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(csv_blocks, "_BLOCK_SIZE", 40)
    monkeypatch.setattr(csv_blocks, "_BLOCK_ROWS", 3)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.usefixtures("small_blocks")
def test_blocks_have_the_cells_of_the_csv_module(newline, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "t.csv"

    @given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12))
    def check(rows):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=newline).writerows([("a", "b", "last"), *rows])
        path.write_bytes(text.getvalue().encode())
        expected = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
        assert [*read(path).values()] == expected

    check()


@pytest.mark.usefixtures("small_blocks")
def test_only_the_wanted_columns_are_read_and_missing_ones_left_out(tmp_path):
    rows = [f"{i},agent {i},{i / 7!r}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["epoch,name,reward", *rows]) + "\n")
    blocks = list(read_blocks(tmp_path / "t.csv", ["reward", "kind", "epoch"]))
    assert len(blocks) > 5
    assert {*blocks[0]} == {"reward", "epoch"}
    rewards = np.concatenate([to_numbers(block["reward"]) for block in blocks])
    assert rewards.tolist() == [i / 7 for i in range(30)]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n3\n", "a,b\n1,2\n3", "a,b\n1,2,3\n", 'a,b\n"1",2\n3\n']
)
def test_a_row_of_another_length_is_an_error(text, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match="expected 2 cells in a row, found"):
        list(read_blocks(tmp_path / "t.csv"))


def test_empty_lines_are_skipped_and_the_last_line_needs_no_end(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n\n3,4")
    assert read(tmp_path / "t.csv") == {"a": ["1", "3"], "b": ["2", "4"]}


def test_to_numbers_reads_empty_cells_as_nan_and_rejects_text():
    numbers = to_numbers(np.array([b"1", b"", b"-2"]))
    np.testing.assert_array_equal(numbers, [1, np.nan, -2])
    with pytest.raises(ValueError, match="could not convert"):
        to_numbers(np.array([b"lstm_ppo"]))
