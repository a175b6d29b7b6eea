"""libsvm and CSV files: every form of a line, options, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import boost
from boost import DataError, DMatrix

NAN = float("nan")


def dense(table: DMatrix) -> np.ndarray:
    return table.dense_rows(0, table.num_row())


def write(folder: Path, text: str, name: str = "a.txt") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_libsvm(tmp_path: Path) -> None:
    name = write(tmp_path, "1 qid:4 3:2 1:1.5\n\n# all of it\n0.5 qid:4 # no entry\n-1 qid:7 2:1e3 0:nan\n")
    table = DMatrix(f"{name}?format=libsvm")
    expected = [[NAN, 1.5, NAN, 2], [NAN] * 4, [NAN, NAN, 1000, NAN]]
    np.testing.assert_array_equal(dense(table), np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(table.get_label(), [1, 0.5, -1])
    np.testing.assert_array_equal(table.get_uint_info("group_ptr"), [0, 2, 3])
    assert table.is_sparse and table.get_weight().size == 0
    given = DMatrix(f"file://{name}?format=libsvm", [1, 2, 3], feature_names=list("abcd"))
    assert given.get_label().tolist() == [1, 2, 3] and given.feature_names == list("abcd")


def test_libsvm_weights_and_columns_from_one(tmp_path: Path) -> None:
    name = write(tmp_path, "1:0.5 1:1.5 3:2\n0:2 2:-1\n")
    for mode in (1, -1):
        table = DMatrix(f"{name}?format=libsvm&indexing_mode={mode}")
        np.testing.assert_array_equal(dense(table), np.array([[1.5, NAN, 2], [NAN, -1, NAN]], dtype="f4"))
        assert table.get_weight().tolist() == [0.5, 2]
    assert DMatrix(f"{name}?format=libsvm").num_col() == 4
    zero = write(tmp_path, "1 0:1\n")
    assert DMatrix(f"{zero}?format=libsvm&indexing_mode=-1").num_col() == 1
    with pytest.raises(DataError, match="the least column is 0, columns are counted from 1"):
        DMatrix(f"{zero}?format=libsvm&indexing_mode=1")


def test_csv(tmp_path: Path) -> None:
    name = write(tmp_path, "1,2,3\n4,,6\n7,8,nan\n", "a.csv")
    table = DMatrix(f"{name}?format=csv")
    np.testing.assert_array_equal(dense(table), np.array([[1, 2, 3], [4, NAN, 6], [7, 8, NAN]], dtype="f4"))
    table = DMatrix(f"{name}?format=csv&label_column=0")
    np.testing.assert_array_equal(dense(table), np.array([[2, 3], [NAN, 6], [8, NAN]], dtype="f4"))
    assert table.get_label().tolist() == [1, 4, 7]
    other = write(tmp_path, "1;2;3\n4;5;6\n", "b.csv")
    table = DMatrix(f"{other}?format=csv&delimiter=;&weight_column=2&label_column=1")
    assert dense(table).tolist() == [[1], [4]] and table.get_weight().tolist() == [3, 6]
    tabs = write(tmp_path, "1\t2\n4\t5\n", "c.csv")
    assert DMatrix(f"{tabs}?format=csv&delimiter=\\t").num_col() == 2


def test_a_model_of_a_file_is_that_of_its_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((200, 4)) < 0.4, np.nan, rng.integers(0, 9, (200, 4)))
    y = rng.integers(0, 2, 200)
    lines = [
        f"{label} " + " ".join(f"{f}:{v:g}" for f, v in enumerate(row) if v == v)
        for label, row in zip(y, x, strict=True)
    ]
    name = write(tmp_path, "\n".join(lines))
    params = {"objective": "binary:logistic", "max_depth": 3}
    models = [boost.train(params, table, 3) for table in (DMatrix(f"{name}?format=libsvm"), DMatrix(x, y))]
    assert models[0].save_raw() == models[1].save_raw()


@pytest.mark.parametrize(
    ("text", "query", "match"),
    [
        ("1 0:1\n", "", r"format of the text file '.*a.txt' is not given: write '.*a.txt\?format=libsvm'"),
        ("1 0:1\n", "?format=libfm", "unknown format of a text file 'libfm'.*libsvm, csv"),
        (
            "1 0:1\n",
            "?format=libsvm&index_mode=1",
            "unknown option of the format libsvm 'index_mode'; did you",
        ),
        ("1 0:1\n", "?format=libsvm&indexing_mode=one", "indexing_mode must be an integer, got 'one'"),
        ("1 0:1\n", "?format=libsvm#cache", "names a cache.*give a DataIter to QuantileDMatrix"),
        ("1 0:1\n1 a:2\n", "?format=libsvm", "line 2 is no line of libsvm: '1 a:2'"),
        ("1 0 3:2\n", "?format=libsvm", "line 1 is no line of libsvm"),
        ("one 0:1\n", "?format=libsvm", "line 1 is no line of libsvm"),
        ("1:0.5 0:1\n1 0:1\n", "?format=libsvm", "1 of 2 lines have a weight"),
        ("1 qid:1 0:1\n1 0:1\n", "?format=libsvm", "1 of 2 lines have a qid"),
        ("1 0:inf\n", "?format=libsvm", "holds infinity"),
        ("1 4294967296:1\n", "?format=libsvm", r"fewer than 2\*\*31 columns"),
        ("a,b\n1,2\n", "?format=csv", "line 1 holds 'a' in column 0, which is no number.*with pandas"),
        ("1,2\n", "?format=csv&label_column=2", "label_column is 2, but there are 2 columns"),
        ("", "?format=csv", "No columns to parse"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, text: str, query: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix(write(tmp_path, text) + query)


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.txt"):
        DMatrix(f"{tmp_path}/absent.txt?format=libsvm")
