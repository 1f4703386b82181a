"""CSV files that gain rows and columns."""

import pytest

from sorrel_recurrent_ppo.support.csv_table import CsvTable, as_numbers, read_columns


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
