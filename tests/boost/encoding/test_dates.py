"""Dates become numbers: formats, zones, missing and unreadable values, every library's columns."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from boost.data.frames.frame import is_frame
from boost.encoding.dates import ISO, DateParts, formats_of, is_date_column, recognize_dates
from boost.encoding.encoding import Encoding, Options
from boost.errors import DataError


@pytest.mark.parametrize(
    "values, formats",
    [
        (["2020-01-31", "2021-02-01"], [ISO]),
        (["2020-01-31T10:00:00+02:00", "2021-03-01T11:30:00Z"], [ISO]),
        (["31.12.2020", "01.02.2021"], ["%d.%m.%Y"]),
        (["01/02/2020", "03/04/2021"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["13/02/2020 14:05", "03/04/2021 00:00"], ["%d/%m/%Y %H:%M"]),
        (["Jun 12 1998", "Aug 07 1998"], ["%b %d %Y"]),
        (["2020", "2021"], []),
        (["20200131", "20200229"], []),
        (["1.2.3", "1.3.4"], []),
        (["north", "south"], []),
        ([None, None], []),
        ([1.5, 2.5], []),
    ],
)
def test_formats_of_text(values, formats):
    assert formats_of(pd.Series(values)) == formats
    assert recognize_dates(pd.Series(values)) == (formats[0] if formats else None)


def test_parts_by_hand():
    text = pd.Series(["2024-02-29 06:30", None, "soon", "2025-03-01 18:00"])
    parts = DateParts.fit(text.iloc[[0, 1, 3]], "sold")
    assert parts.parts == ("year", "month", "day", "weekday", "hour", "minute", "elapsed_days")
    values = parts.transform(text)
    expected = {
        "year": [2024, 2025],
        "month": [2, 3],
        "day": [29, 1],
        "weekday": [3, 5],
        "hour": [6, 18],
        "minute": [30, 0],
        "elapsed_days": [0, 366 + 11.5 / 24],
    }
    for part, want in expected.items():
        got = values[f"sold.{part}"]
        np.testing.assert_allclose(got[[0, 3]], want)
        assert np.isnan(got[1:3]).all()
    assert parts.unread(text) == 1
    assert DateParts.from_json(parts.to_json()) == parts


def test_parts_are_those_of_the_zone_of_the_training():
    hours = pd.Series(pd.date_range("2021-03-27 23:00", periods=3, freq="h", tz="Europe/Paris"))
    parts = DateParts.fit(hours, "t")
    assert parts.zone == "Europe/Paris"
    for same in (hours, hours.dt.tz_convert("UTC"), hours.dt.tz_localize(None), hours.astype(str)):
        np.testing.assert_array_equal(parts.transform(same)["t.hour"], [23, 0, 1])
    np.testing.assert_allclose(parts.transform(hours)["t.elapsed_days"], np.arange(3) / 24)


def test_columns_of_every_library():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    days = pd.Series(pd.date_range("2021-01-30", periods=4, tz="Europe/Paris"))
    objects = pd.Series([datetime.date(2021, 1, 30), None], dtype=object)
    assert is_date_column(objects) and not is_date_column(pd.Series(["2021-01-30"]))
    want = DateParts.fit(days, "t")
    for column in (pl.Series(days), pa.array(days)):
        assert DateParts.fit(column, "t") == want
        np.testing.assert_array_equal(want.transform(column)["t.day"], [30, 31, 1, 2])
    assert DateParts.fit(objects, "t").parts == ("elapsed_days",)


def test_columns_that_are_no_dates():
    with pytest.raises(DataError, match="column 'a' holds no dates in a known format"):
        DateParts.fit(["x", "y"], "a")
    with pytest.raises(DataError, match="column 'a' holds no date of the format '%d.%m.%Y'"):
        DateParts.fit(["x", "y"], "a", "%d.%m.%Y")
    with pytest.raises(DataError, match="'a' holds numbers, but held dates in the training"):
        DateParts.fit(["2020-01-01"], "a").transform([1.5, 2.5])
    with pytest.raises(DataError, match="unknown part 'era' of the date 'a'"):
        DateParts("a", ("era",), "2020-01-01")
    with pytest.raises(DataError, match="the fields of the date parts are damaged"):
        DateParts.from_json({"column": "a"})


def test_an_encoding_derives_dates():
    frame = pd.DataFrame({"t": pd.date_range("2021-01-30", periods=4), "a": range(4)})
    encoding, encoded = Encoding.fit(frame, np.zeros(4), options=Options(dates={"t": None}))
    assert list(encoded) == ["a", "t.month", "t.day", "t.weekday", "t.elapsed_days"] and is_frame(encoded)
    again = Encoding.from_json(encoding.to_json())
    pd.testing.assert_frame_equal(again.transform(frame), encoded)
