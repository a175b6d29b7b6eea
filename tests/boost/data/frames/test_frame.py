"""Frames of all kinds become the same numbers; what cannot become numbers is refused by name."""

from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from boost import DataError, DMatrix
from boost.data.frames.frame import is_frame

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
NAN = np.nan


def table(d: DMatrix) -> np.ndarray:
    return d.dense_rows(0, d.num_row())


def frame() -> Any:
    text = ["b", None, "a"]
    return pl.DataFrame(
        {
            "int": [1, None, 3],
            "small": pl.Series([1, 2, 255], dtype=pl.UInt8),
            "float": [1.5, None, NAN],
            "flag": [True, None, False],
            "decimal": pl.Series(["1.25", None, "2"]).cast(pl.Decimal(10, 2)),
            "nothing": [None, None, None],
            "text": text,
            "category": pl.Series(text, dtype=pl.Categorical),
            "enum": pl.Series(["x", "y", None], dtype=pl.Enum(["z", "y", "x"])),
        }
    )


WANT = [[1, 1, 1.5, 1, 1.25, NAN, 1, 1, 0], [NAN, 2, NAN, NAN, NAN, NAN, NAN, NAN, 1]]
WANT += [[3, 255, NAN, 0, 2, NAN, 0, 0, NAN]]
TYPES = ["int", "int", "float", "int", "float", "float", "c", "c", "c"]
KNOWN = {6: ["a", "b"], 7: ["a", "b"], 8: ["x", "y"]}


class Capsule:
    """A frame of an unknown library that exports Arrow data."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.inner.__arrow_c_stream__(requested_schema)


class Interchange:
    """A frame that implements the older interchange protocol."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __dataframe__(self, **options: Any) -> Any:
        return self.inner.__dataframe__(**options)


@pytest.mark.parametrize(
    "form",
    [
        lambda f: f,
        lambda f: f.to_arrow(),
        lambda f: f.to_arrow().combine_chunks().to_batches()[0],
        lambda f: pa.concat_tables([f[:1].to_arrow(), f[1:].to_arrow()]),
        lambda f: f.to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
        lambda f: f.to_pandas(),
        Capsule,
    ],
    ids=["polars", "arrow", "record batch", "chunks", "pandas of arrow", "pandas", "capsule"],
)
def test_all_libraries_give_the_same_table(form: Any) -> None:
    d = DMatrix(form(frame()))
    np.testing.assert_array_equal(table(d), WANT)
    assert d.feature_names == frame().columns
    types = d.feature_types or []
    assert [t == "c" for t in types] == [t == "c" for t in TYPES]
    assert d.categories == KNOWN


def test_types_of_polars_and_arrow() -> None:
    for data in (frame(), frame().to_arrow()):
        assert DMatrix(data).feature_types == TYPES


def test_the_interchange_protocol() -> None:
    d = DMatrix(Interchange(frame().to_arrow().select(["int", "float", "text", "category"])))
    np.testing.assert_array_equal(table(d), np.array(WANT)[:, [0, 2, 6, 7]])
    assert d.categories == {2: ["a", "b"], 3: ["a", "b"]}


def test_chunks_with_different_dictionaries() -> None:
    chunks = [pa.array(["b", "c"]).dictionary_encode(), pa.array(["c", None, "a"]).dictionary_encode()]
    d = DMatrix(pa.table({"c": pa.chunked_array(chunks)}))
    np.testing.assert_array_equal(table(d)[:, 0], [1, 2, 2, NAN, 0])
    small = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint8()), pa.array([20, 10]))
    d = DMatrix(pa.table({"n": small}))
    np.testing.assert_array_equal(table(d)[:, 0], [0, NAN, 1])
    assert d.categories == {0: [10, 20]}


def test_pandas_types() -> None:
    data = pd.DataFrame(
        {
            "int": pd.array([1, None, 3], dtype="Int64"),
            "float": pd.array([1.5, None, 2], dtype="Float64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "text": pd.array(["b", None, "a"], dtype="string"),
            "sparse": pd.arrays.SparseArray([0.0, 0, 1]),
            "money": pd.Series([Decimal("1.5"), None, Decimal(2)], dtype=object),
            "flags": pd.Series([True, None, False], dtype=object),
        }
    )
    want = [[1, 1.5, 1, 1, 0, 1.5, 1], [NAN] * 4 + [0, NAN, NAN], [3, 2, 0, 0, 1, 2, 0]]
    np.testing.assert_array_equal(table(DMatrix(data)), want)


def test_the_missing_marker_does_not_change_categories() -> None:
    data = pd.DataFrame({"c": ["x", "y"], "n": [0.0, 1.0]})
    np.testing.assert_array_equal(table(DMatrix(data, missing=0.0)), [[0, NAN], [1, 1]])


DATES: list[Any] = [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.timedelta(1)]


@pytest.mark.parametrize("value", [*DATES, datetime.time(1)])
@pytest.mark.parametrize("form", ["polars", "arrow", "pandas", "pandas of arrow"])
def test_dates_are_refused_with_a_remedy(value: Any, form: str) -> None:
    data = pl.DataFrame({"n": [1], "when": [value]})
    given = {
        "polars": data,
        "arrow": data.to_arrow(),
        "pandas": pd.DataFrame({"n": [1], "when": [value]}),
        "pandas of arrow": data.to_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    }[form]
    with pytest.raises(DataError, match="'when' holds dates or durations .*convert them to numbers"):
        DMatrix(given)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (pl.DataFrame({"q": [[1]]}), r"'q' has the type List\(Int64\)"),
        (pa.table({"q": [{"a": 1}]}), "'q' has the type struct"),
        (pa.table({"q": [b"x"]}), "'q' has the type binary"),
        (pd.DataFrame({"q": [b"x"]}), "'q' holds values of type bytes"),
        (pd.DataFrame({"q": [1, "x", None]}), "'q' mixes strings and numbers"),
        (pd.DataFrame({"q": pd.cut([1.0, 2.0], 2)}), r"type Interval: .*astype\(str\)"),
        (pd.DataFrame({"q": pd.period_range("2020", periods=2)}), "'q' holds dates"),
        (pd.DataFrame({"q": [1j]}), "complex data not supported: column 'q'"),
        (pl.DataFrame(), r"data has no columns: its shape is \(0, 0\)"),
        (pa.table([[1], [2]], names=["a", "a"]), "duplicate column names: a"),
        (pl.LazyFrame({"a": [1]}), r"LazyFrame holds no values: give frame.collect\(\)"),
        (Capsule(pl.Series([1])), "not a table of columns that Arrow can read"),
        (pl.DataFrame({"a": [1e300]}), "too large for float32, in row 0, column a"),
    ],
)
def test_refused_frames(data: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix(data)


def test_frames_are_recognized() -> None:
    assert all(map(is_frame, (pd.DataFrame(), pl.DataFrame(), pa.table({"a": [1]}), Capsule(None))))
    assert not any(map(is_frame, (np.zeros(2), pd.Series([1]), pl.Series([1]), pa.array([1]), [1], None)))


def test_libraries_are_not_imported_for_others() -> None:
    script = (
        "import sys, numpy, boost; boost.DMatrix(numpy.ones((2, 2))); "
        "print({'pandas', 'polars', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
