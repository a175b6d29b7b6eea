"""Encodings of frames of each library, in models and their files, and for new rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import boost
from boost.encoding.encoding import ATTRIBUTE, Encoding, Options, many_levels
from boost.errors import DataError, ModelError

ROWS = 300
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "city": RNG.choice([f"c{i}" for i in range(40)], ROWS),
        "kind": RNG.choice(["p", "q"], ROWS),
        "size": RNG.normal(size=ROWS),
    }
)
Y = (FRAME["size"] + (FRAME["city"] < "c2") > 0.3).to_numpy(dtype=float)
OPTIONS = Options(statistics=(("city",), ("city", "kind")))


@pytest.fixture(scope="module")
def booster() -> boost.Booster:
    encoding, encoded = Encoding.fit(FRAME, Y, options=OPTIONS)
    made = boost.train({"objective": "binary:logistic", "verbosity": 0}, boost.DMatrix(encoded, Y), 3)
    made.model.encoding = encoding
    return made


def frames() -> list[Any]:
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    return [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME)]


def test_frames_of_each_library_are_encoded_the_same() -> None:
    results = []
    for frame in frames():
        encoding, encoded = Encoding.fit(frame, Y, options=OPTIONS, seed=3)
        assert type(encoded) is type(frame) and type(encoding.transform(frame)) is type(frame)
        results.append(
            (
                encoding.to_json(),
                [boost.DMatrix(f).get_data().toarray() for f in (encoded, encoding.transform(frame))],
            )
        )
    for text, tables in results[1:]:
        assert text == results[0][0]
        for table, expected in zip(tables, results[0][1], strict=True):
            np.testing.assert_array_equal(table, expected)


def test_another_seed_is_another_order() -> None:
    first, second = (Encoding.fit(FRAME, Y, options=OPTIONS, seed=s) for s in (1, 2))
    assert first[0] == second[0]  # other rows get the mean over all rows, whatever the order
    assert not first[1].equals(second[1])


def test_replaced_columns_and_classes() -> None:
    labels = np.arange(ROWS) % 3
    encoding, encoded = Encoding.fit(
        FRAME, labels, options=Options(statistics=(("city",),), replace=True, classes=3)
    )
    names = ["kind", "size", *(f"city: mean of class {k}" for k in range(3))]
    assert list(encoded.columns) == names and encoding.dropped == ("city",)
    new = encoding.transform(FRAME)
    np.testing.assert_allclose(new[names[2:]].sum(axis=1), 1.0)


def test_a_model_keeps_its_encoding(booster: boost.Booster, tmp_path: Any) -> None:
    expected = booster.predict(boost.DMatrix(booster.model.encoding.transform(FRAME)))
    for name in ("m.json", "m.ubj"):
        booster.save_model(tmp_path / name)
        read = boost.Booster(model_file=tmp_path / name)
        assert read.model.encoding == booster.model.encoding
        for frame in frames():
            np.testing.assert_array_equal(read.inplace_predict(frame), expected)
    np.testing.assert_array_equal(booster.copy().inplace_predict(FRAME), expected)
    encoded = booster.model.encoding.transform(FRAME)
    assert booster.model.encoding.transform(encoded) is encoded


def test_new_values_are_counted(booster: boost.Booster) -> None:
    new = FRAME.assign(city=["c1", "elsewhere", *FRAME["city"][2:]])
    counts = booster.model.encoding.unread(new)
    assert counts["city"] == 1 and counts["city x kind"] >= 1


def test_xgboost_reads_the_file(booster: boost.Booster, tmp_path: Any) -> None:
    xgboost = pytest.importorskip("xgboost")
    booster.save_model(tmp_path / "m.json")
    theirs = xgboost.Booster(model_file=tmp_path / "m.json")
    encoded = booster.model.encoding.transform(FRAME).astype({"city": "category", "kind": "category"})
    table = xgboost.DMatrix(encoded, enable_categorical=True)
    np.testing.assert_allclose(theirs.predict(table), booster.inplace_predict(FRAME), rtol=1e-5)


def test_raw_tables_without_the_columns_are_refused(booster: boost.Booster) -> None:
    with pytest.raises(DataError, match="derives columns such as 'city: mean of target' from a raw frame"):
        booster.predict(boost.DMatrix(FRAME))
    with pytest.raises(DataError, match="the data lacks the column 'city'"):
        booster.inplace_predict(FRAME.drop(columns="city"))


def test_errors(booster: boost.Booster, tmp_path: Any) -> None:
    with pytest.raises(DataError, match="got a numpy.ndarray: convert it"):
        Encoding.fit(np.ones((3, 2)), np.ones(3), options=OPTIONS)
    with pytest.raises(DataError, match="has a column 'city: mean of target'"):
        Encoding.fit(FRAME.assign(**{"city: mean of target": 0.0}), Y, options=OPTIONS)
    with pytest.raises(DataError, match="labels of shape"):
        Encoding.fit(FRAME, np.ones((ROWS, 2)), options=OPTIONS)
    with pytest.raises(DataError, match="kind 'moon': a newer version"):
        Encoding.from_json(json.dumps({"derived": [{"kind": "moon"}], "dropped": []}))
    damaged = booster.copy()
    damaged.model.attributes[ATTRIBUTE] = "{"
    damaged.save_model(tmp_path / "m.json")
    with pytest.raises(ModelError, match="the encoding of the model is damaged"):
        boost.Booster(model_file=tmp_path / "m.json")


def test_columns_of_many_levels() -> None:
    dated = FRAME.assign(day=pd.Timestamp("2020-01-01"), kind=FRAME["kind"].astype("category"))
    assert many_levels(dated, 2) == {"city": 40, "kind": 2}
    assert many_levels(dated, 40) == {"city": 40} and many_levels(dated.to_numpy(), 2) == {}
