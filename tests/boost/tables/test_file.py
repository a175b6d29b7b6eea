"""Tables are read and written in every format; files that cannot be read are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.file import read_table, write_table


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    town = rng.choice(["Ely", "Bath", "York"], 300)
    y = x[:, 0] * 2 + np.where(town == "York", 3.0, 0.0)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "town": town, "y": y, "sort": np.where(y > 1, "big", "small")}
    )


@pytest.mark.parametrize("extension", ["csv", "parquet", "arrow", "feather", "ipc"])
def test_round_trip_of_a_table(frame, tmp_path, extension):
    path = tmp_path / f"t.{extension}"
    write_table(path, frame)
    pd.testing.assert_frame_equal(read_table(path), frame, check_dtype=False)
    assert list(tmp_path.iterdir()) == [path]


def test_arrow_streams_are_read_too(frame, tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.arrow"), frame, check_dtype=False)


def test_categories_survive_arrow_files(frame, tmp_path):
    write_table(tmp_path / "t.feather", frame.assign(town=frame["town"].astype("category")))
    assert read_table(tmp_path / "t.feather")["town"].dtype == "category"


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path):
    odd = pd.DataFrame({"a": [1, "x"]}, dtype=object)
    with pytest.raises(Exception, match="a"):
        write_table(tmp_path / "t.parquet", odd)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.csv", "", "the file is empty"),
        ("t.csv", "a,b\n", "0 rows and 2 columns"),
        ("t.xlsx", "a", "unknown extension '.xlsx'"),
        ("t.parquet", "not parquet", "not a readable parquet file"),
        ("t.arrow", "not arrow", "not a readable arrow file"),
        ("t.csv", 'a,b\n1,2,3\n"', "not a readable csv file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(TableError, match=message):
        read_table(path)


def test_missing_files(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(TableError, match="there is no folder"):
        write_table(tmp_path / "nowhere" / "t.csv", pd.DataFrame({"a": [1]}))
