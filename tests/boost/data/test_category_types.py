"""Categories of another type than the model's: refused in every library of frames and every use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import boost
from boost import BoostClassifier, Booster, BoostRegressor, DataError, DMatrix, QuantileDMatrix

CODE = np.random.default_rng(0).integers(1, 5, 120)
Y = np.where(CODE % 2 == 1, 1.0, 0.0)
TEXT = CODE.astype(str)
# Columns by the type of their categories: each is 1 to 4, or what takes the place of these.
KINDS: dict[str, dict[str, Callable[[], Any]]] = {
    "int": {
        "pandas": lambda: pd.DataFrame({"c": pd.Categorical(CODE)}),
        "pandas, 8 bits": lambda: pd.DataFrame({"c": pd.Categorical(CODE.astype(np.int8))}),
        "arrow": lambda: pa.table({"c": pa.array(CODE).dictionary_encode()}),
    },
    "float": {"pandas": lambda: pd.DataFrame({"c": pd.Categorical(CODE.astype(float))})},
    "fractions": {"pandas": lambda: pd.DataFrame({"c": pd.Categorical(CODE + 0.5)})},
    "str": {
        "pandas": lambda: pd.DataFrame({"c": pd.Categorical(TEXT)}),
        "pandas, objects": lambda: pd.DataFrame({"c": TEXT.astype(object)}),
        "polars": lambda: pl.DataFrame({"c": TEXT}),
        "polars, categorical": lambda: pl.DataFrame({"c": pl.Series(TEXT).cast(pl.Categorical)}),
        "polars, enum": lambda: pl.DataFrame({"c": pl.Series(TEXT).cast(pl.Enum(list("1234")))}),
        "arrow": lambda: pa.table({"c": TEXT}),
        "arrow, dictionary": lambda: pa.table({"c": pa.array(TEXT).dictionary_encode()}),
        "arrow, batch": lambda: pa.RecordBatch.from_pydict({"c": TEXT}),
    },
    "bool": {"pandas": lambda: pd.DataFrame({"c": pd.Categorical(CODE % 2 == 1)})},
    "mixed": {
        "pandas": lambda: pd.DataFrame({"c": pd.Categorical(np.array([True, *CODE[1:]], dtype=object))}),
    },
}
NUMBERS = ("int", "float", "fractions")
FRAMES = [(kind, library) for kind, by in KINDS.items() for library in by]


def fits(of_model: str, given: str) -> bool:
    """Whether a table has no categories of a type that the model has none of."""
    same = of_model == given or (of_model in NUMBERS and given in NUMBERS)
    return same or (of_model == "mixed" and given in ("bool", *NUMBERS))


@pytest.mark.parametrize(("kind", "library"), FRAMES)
@pytest.mark.parametrize("of_model", KINDS)
def test_all_pairs_of_types(of_model: str, kind: str, library: str, tmp_path: Path) -> None:
    model = boost.train({}, DMatrix(KINDS[of_model]["pandas"](), Y), 3)
    table = KINDS[kind][library]()
    path = tmp_path / "model.json"
    model.save_model(path)
    loads = [model, Booster(model_file=path), Booster(model_file=bytes(model.save_raw("ubj")))]
    for loaded in loads:
        if fits(of_model, kind):
            assert np.isfinite(loaded.predict(table)).all()
            continue
        for use in (
            loaded.predict,
            loaded.inplace_predict,
            lambda t, m=loaded: m.predict(t, pred_contribs=True),
            lambda t, m=loaded: m.predict(t, validate_features=False),
            lambda t, m=loaded: list(m.staged_predict(t)),
            lambda t, m=loaded: m.eval(DMatrix(t, Y)),
            lambda t, m=loaded: boost.train({}, DMatrix(t, Y), 1, xgb_model=m),
        ):
            with pytest.raises(DataError, match="column 'c' holds categories of the type .* but of the type"):
                use(table)


def test_the_error_has_the_column_and_both_types() -> None:
    frame = pd.DataFrame({"a": CODE * 1.0, "shop": pd.Categorical(CODE)})
    model = boost.train({}, DMatrix(frame, Y), 1)
    text = frame.assign(shop=frame["shop"].astype(str))
    match = (
        r"column 'shop' holds categories of the type str \(such as '1'\), but of the type int \(such as 1\)"
    )
    with pytest.raises(DataError, match=match):
        model.predict(text)
    with pytest.raises(DataError, match=match):
        model.predict(text[["shop", "a"]])
    mixed = frame.assign(shop=pd.Categorical(np.array([True, *CODE[1:]], dtype=object)))
    with pytest.raises(DataError, match=r"of the type bool \(such as True\), but of the type int"):
        model.predict(mixed)


def test_true_is_not_one() -> None:
    one = np.arange(40) % 2
    ints, bools = (pd.DataFrame({"c": pd.Categorical(one.astype(t))}) for t in (int, bool))
    for known, other in ((ints, bools), (bools, ints)):
        model = boost.train({}, DMatrix(known, one), 3)
        for table in (other, other[1:2], other[:1]):  # as a whole, the dictionaries are equal
            with pytest.raises(DataError, match="holds categories of the type"):
                model.predict(table)


def test_training_and_evaluation_tables() -> None:
    train, other = DMatrix(KINDS["int"]["pandas"](), Y), DMatrix(KINDS["str"]["arrow"](), Y)
    with pytest.raises(DataError, match="of the type str .* but of the type int"):
        boost.train({}, train, 1, evals=[(other, "other")])
    with pytest.raises(DataError, match="of the type str .* but of the type int"):
        QuantileDMatrix(KINDS["str"]["pandas"](), Y, ref=train)
    batches = lambda: iter([(KINDS["str"]["pandas"](), Y)])  # noqa: E731
    with pytest.raises(DataError, match="of the type str .* but of the type int"):
        QuantileDMatrix(batches, ref=train)
    for kind, label in ((BoostRegressor, Y), (BoostClassifier, Y > 0)):
        model = kind(n_estimators=1).fit(KINDS["str"]["pandas"](), label)
        for use in (model.predict, model.apply, lambda x, m=model, y=label: m.fit(x, y, xgb_model=m)):
            with pytest.raises(DataError, match="of the type int .* but of the type str"):
                use(KINDS["int"]["pandas"]())
        with pytest.raises(DataError, match="of the type int .* but of the type str"):
            model.fit(KINDS["str"]["pandas"](), label, eval_set=[(KINDS["int"]["pandas"](), label)])


@pytest.mark.parametrize("of_model", ["int", "str", "bool"])
def test_columns_without_present_values_fit_every_model(of_model: str) -> None:
    model = boost.train({}, DMatrix(KINDS[of_model]["pandas"](), Y), 3)
    absent = model.predict(pd.DataFrame({"c": [None] * 4}, dtype=object))
    for column in (
        pd.Categorical([None] * 4, categories=["x", "y"]),
        pd.Categorical([None] * 4, categories=[1, 2]),
        pd.Categorical([None] * 4),
        np.full(4, np.nan),
    ):
        np.testing.assert_array_equal(model.predict(pd.DataFrame({"c": column})), absent)
    empty = boost.train({}, DMatrix(pd.DataFrame({"c": pd.Categorical([None] * 120), "n": Y}), Y), 1)
    for kind in KINDS:  # a model that has seen no category has no type
        assert np.isfinite(empty.predict(KINDS[kind]["pandas"]().assign(n=Y))).all()


def test_new_categories_of_the_same_type_are_missing() -> None:
    model = boost.train({}, DMatrix(KINDS["int"]["pandas"](), Y), 3)
    absent = model.predict(pd.DataFrame({"c": pd.Categorical([None, None])}))
    for new in ([50, 60], [50.5, 60.5], [2**40, -1]):
        np.testing.assert_array_equal(model.predict(pd.DataFrame({"c": pd.Categorical(new)})), absent)
    text = boost.train({}, DMatrix(KINDS["str"]["pandas"](), Y), 3)
    np.testing.assert_array_equal(
        text.predict(pl.DataFrame({"c": ["new", "1"]})), text.predict(pl.DataFrame({"c": [None, "1"]}))
    )


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (pd.Categorical([b"1", b"2"]), "'c' holds values of type bytes"),
        (pd.Categorical(pd.to_datetime(["2020-01-01", "2020-01-02"])), "'c' holds values of type Timestamp"),
        (pd.Categorical(np.array([1, "a"], dtype=object)), "'c' mixes strings and numbers"),
        (pd.Categorical([pd.Interval(0, 1), pd.Interval(1, 2)]), "'c' holds values of type Interval"),
    ],
)
def test_types_that_no_model_has(column: Any, match: str) -> None:
    model = boost.train({}, DMatrix(KINDS["str"]["pandas"](), Y), 1)
    with pytest.raises(DataError, match=match):
        model.predict(pd.DataFrame({"c": column}))
    with pytest.raises(DataError, match=match):
        DMatrix(pd.DataFrame({"c": column}))
