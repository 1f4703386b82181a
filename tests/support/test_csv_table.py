"""CSV files that gain rows and columns."""

import pytest

from sorrel_recurrent_ppo.errors import CheckpointError
from sorrel_recurrent_ppo.support.csv_table import (
    CsvTable,
    TablePosition,
    as_numbers,
    read_columns,
)


def test_csv_table_writes_each_row_immediately(tmp_path):
    with CsvTable(tmp_path / "t.csv", ["a", "b"]) as table:
        assert (tmp_path / "t.csv").read_text() == "a,b\n"
        table.append({"b": 2, "a": 1})
        assert read_columns(tmp_path / "t.csv")["b"].tolist() == ["2"]


def test_csv_table_leaves_a_new_column_empty_in_older_rows(tmp_path):
    with CsvTable(tmp_path / "t.csv", ["a"]) as table:
        table.append({"a": 1})
        table.append({"a": 2, "late": 0.5})
        table.append({"a": 3})
    columns = read_columns(tmp_path / "t.csv")
    assert columns["a"].tolist() == ["1", "2", "3"]
    assert columns["late"].tolist() == ["", "0.5", ""]
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_csv_table_stores_numbers_bit_for_bit(tmp_path):
    values = [0.1 + 0.2, 1e-300, -3.0]
    with CsvTable(tmp_path / "t.csv", ["x"]) as table:
        for value in values:
            table.append({"x": value})
        table.append({})
    numbers = as_numbers(read_columns(tmp_path / "t.csv")["x"])
    assert numbers[:3].tolist() == values
    assert numbers[3] != numbers[3]  # an empty cell is nan


def test_csv_table_without_rows_has_its_columns(tmp_path):
    CsvTable(tmp_path / "t.csv", ["a", "b"]).close()
    columns = read_columns(tmp_path / "t.csv")
    assert list(columns) == ["a", "b"]
    assert all(len(column) == 0 for column in columns.values())


def test_as_numbers_rejects_text():
    with pytest.raises(ValueError, match="lstm_ppo"):
        as_numbers(["lstm_ppo"])  # pyright: ignore[reportArgumentType]


# --- resumed tables ---


def table_of(path, n_rows, *, late=None):
    """Write a table; the rows from ``late`` on have one more column."""
    with CsvTable(path, ["a", "b"]) as table:
        positions = []
        for i in range(n_rows):
            extra = {"late": f"{i}!"} if late is not None and i >= late else {}
            table.append({"a": i, "b": f"text, {i}", **extra})
            positions.append(table.position)
    return positions


def resumed(path, position):
    with CsvTable(path, ["a", "b"], kept=position) as table:
        table.append({"a": 9, "late": "x"})
        assert table.position.n_rows == position.n_rows + 1
    return path.read_bytes()


@pytest.mark.parametrize("late", [None, 0, 1, 3])
def test_resumed_table_equals_one_that_never_had_the_discarded_rows(late, tmp_path):
    position = table_of(tmp_path / "t.csv", 5, late=late)[1]
    table_of(tmp_path / "expected.csv", 2, late=late)
    expected = resumed(tmp_path / "expected.csv", position)
    assert resumed(tmp_path / "t.csv", position) == expected
    table_of(tmp_path / "t.csv", 5, late=late)
    assert resumed(tmp_path / "t.csv", TablePosition(2)) == expected


def test_resumed_table_is_truncated_without_being_read(tmp_path):
    position = table_of(tmp_path / "t.csv", 5)[2]
    content = bytearray((tmp_path / "t.csv").read_bytes())
    content[content.index(b"1,") + 3] = 0xFF  # not UTF-8
    (tmp_path / "t.csv").write_bytes(content)
    CsvTable(tmp_path / "t.csv", ["a", "b"], kept=position).close()
    assert (tmp_path / "t.csv").read_bytes() == content[: position.size]


def test_resumed_table_that_was_edited_keeps_its_rows(tmp_path):
    position = table_of(tmp_path / "t.csv", 5)[2]
    text = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(text.replace("text", "longer text"))
    CsvTable(tmp_path / "t.csv", ["a", "b"], kept=position).close()
    columns = read_columns(tmp_path / "t.csv")
    assert columns["a"].tolist() == ["0", "1", "2"]
    assert columns["b"].tolist() == ["longer text, 0", "longer text, 1", "longer text, 2"]


def test_resumed_table_without_the_rows_or_columns_is_an_error(tmp_path):
    position = table_of(tmp_path / "t.csv", 5)[3]
    table_of(tmp_path / "t.csv", 2)
    before = (tmp_path / "t.csv").read_bytes()
    with pytest.raises(CheckpointError, match=r"expected at least 4 rows .*found 2"):
        CsvTable(tmp_path / "t.csv", ["a", "b"], kept=position)
    assert (tmp_path / "t.csv").read_bytes() == before
    with pytest.raises(CheckpointError, match=r"expected at least 4 rows .*found 0"):
        CsvTable(tmp_path / "missing.csv", ["a", "b"], kept=position)
    table_of(tmp_path / "t.csv", 5, late=0)
    with pytest.raises(CheckpointError, match=r"expected the columns a, b .*found 'late'"):
        CsvTable(tmp_path / "t.csv", ["a", "b"], kept=position)
