"""Text files of columns: separators, gzip, decimal commas."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.delimited import find_separator
from boost.tables.file import read_table, write_table


@pytest.mark.parametrize(
    "text, separator",
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('name;b\n"x;y,z";2\n', ";"),
        ("name,b\nx;y;z,2\nu,3\n", ","),
        ("one\n1\n", ","),
    ],
)
def test_separators(text, separator):
    assert find_separator(text) == separator


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.tsv.gz"])
def test_text_files_are_read_as_they_are_written(tmp_path, name):
    frame = pd.DataFrame({"a": [1.5, 2.5], "town": ["Ely", "Bath, Avon"]})
    write_table(tmp_path / name, frame)
    notes: list[str] = []
    pd.testing.assert_frame_equal(read_table(tmp_path / name, notes), frame, check_dtype=False)
    assert notes == []
    if name.endswith(".gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b"a")


def test_decimal_commas_are_numbers_where_commas_do_not_separate(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffa;b;c\n1,5;1.234,5;x\n-2;3,25;y\n;;z\n", encoding="utf-8")
    notes: list[str] = []
    frame = read_table(tmp_path / "t.csv", notes)
    assert frame["a"].tolist()[:2] == [1.5, -2.0] and frame["b"].tolist()[:2] == [1234.5, 3.25]
    assert frame["a"].isna().tolist() == [False, False, True]
    assert notes == [
        "t.csv: columns are separated by semicolons",
        "t.csv: decimal commas are read as numbers in 'a', 'b'",
    ]


def test_commas_in_numbers_are_announced(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1,500",2\n"2,750",3\n')
    notes: list[str] = []
    assert read_table(tmp_path / "t.csv", notes)["a"].tolist() == ["1,500", "2,750"]
    assert "'a' hold numbers with commas, such as '1,500'" in notes[0]


def test_other_encodings_are_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\nK\u00f6ln,1\n".encode("latin1"))
    with pytest.raises(TableError, match="not UTF-8 text"):
        read_table(tmp_path / "t.csv")
