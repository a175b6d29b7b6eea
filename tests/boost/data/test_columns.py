"""Tables at prediction: columns in any order; other columns are refused with their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import boost
from boost import DataError, DMatrix

NAN = np.nan


def frame(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"n": rng.normal(size=80), "c": rng.choice(list("xyz"), 80), "m": rng.normal(size=80)}
    )


def model() -> boost.Booster:
    data = frame()
    return boost.train({"max_depth": 3}, DMatrix(data, data.n + (data.c == "x")), 5)


def test_columns_and_categories_in_another_order_predict_the_same() -> None:
    trained, data = model(), frame(1)
    want = trained.predict(data)
    moved = data[["m", "c", "n"]].assign(c=pd.Categorical(data.c, categories=list("zqyx")))
    assert np.array_equal(trained.predict(moved), want)
    assert np.array_equal(trained.predict(DMatrix(moved)), want)
    assert np.array_equal(trained.inplace_predict(moved), want)
    subset = data[data.c == "y"]  # with another dictionary
    assert np.array_equal(trained.predict(subset), want[data.c == "y"])


def test_unseen_categories_go_where_missing_values_go() -> None:
    trained, data = model(), frame(1)
    unseen, absent = trained.predict(data.assign(c="new")), trained.predict(data.assign(c=None))
    assert np.array_equal(unseen, absent)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: f[["n", "c"]], "the data lacks 'm'"),
        (lambda f: f.assign(z=1.0), "the model does not have 'z'"),
        (lambda f: f.rename(columns={"m": "M"}), "the data lacks 'm'; the model does not have 'M'"),
        (lambda f: f.assign(c=1.0), "'c' holds numbers, but holds categories in the model: .'x', 'y'"),
        (
            lambda f: f.assign(m="x"),
            "'m' holds categories, but holds numbers of the type 'float' in the model",
        ),
        (lambda f: np.zeros((2, 4)), "the model has 3 features, the data has 4"),
    ],
)
def test_other_columns_are_refused(change: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        model().predict(change(frame(1)))


def test_names_may_be_ignored() -> None:
    trained, data = model(), frame(1)
    renamed = data.rename(columns={"m": "M"})
    assert np.array_equal(trained.predict(renamed, validate_features=False), trained.predict(data))


def test_codes_of_a_marked_column() -> None:
    x = np.array([[0.0, 1], [1, 2], [2, 3], [0, 4]])
    trained = boost.train({"min_child_weight": 0}, DMatrix(x, [1, 2, 3, 1], feature_types=["c", "q"]), 3)
    want = trained.predict(x)
    assert np.array_equal(trained.predict(DMatrix(x, feature_types=["c", "q"])), want)
    with pytest.raises(DataError, match="column 1 holds categories"):
        trained.predict(DMatrix(x, feature_types=["c", "c"]))
