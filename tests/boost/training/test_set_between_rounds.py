"""What is set in a table between rounds: each round uses what its tables hold then.

The definition is a training that is saved, and continued from the file with new tables that hold what was
set: every byte must be the same.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import boost
from boost import Booster, DataError, DMatrix, LabelError, QuantileDMatrix
from boost.callback import TrainingCallback

ROWS = 400
Change = Callable[[DMatrix], object]


def _table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4)).astype(np.float32)
    return x, np.abs(x[:, 0] + 0.1 * rng.normal(size=ROWS)) + 0.1


X, Y = _table()
W = np.random.default_rng(1).uniform(0.5, 2, ROWS)
OTHER = np.where(np.random.default_rng(2).random(ROWS) < 0.5, 0, W)
RELEVANCE = np.clip(np.round(3 * Y), 0, 4)
GROUPS = {"group": [20] * 20}

CHANGES: dict[str, Change] = {
    "set_weight": lambda d: d.set_weight(OTHER),
    "set_label": lambda d: d.set_label(Y[::-1]),
    "set_base_margin": lambda d: d.set_base_margin(W),
    "set_info": lambda d: d.set_info(weight=OTHER, label=Y[::-1]),
    "set_float_info": lambda d: d.set_float_info("weight", OTHER),
    "attributes": lambda d: (setattr(d, "weight", OTHER), setattr(d, "label", Y[::-1])),
}
PARAMS: dict[str, dict[str, Any]] = {
    "hist": {},
    "approx": {"tree_method": "approx"},
    "approx, local": {"tree_method": "approx", "approx_proposal": "local"},
    "exact": {"tree_method": "exact"},
    "dart": {"booster": "dart", "rate_drop": 0.5, "one_drop": True},
    "gradient-based": {"subsample": 0.6, "sampling_method": "gradient_based"},
    "reg:absoluteerror": {"objective": "reg:absoluteerror"},
    "survival:cox": {"objective": "survival:cox"},
    "reg:gamma": {"objective": "reg:gamma"},
}


def check(params: dict[str, Any], change: Change, make: Callable[[], DMatrix]) -> None:
    """Train three rounds before and after a change, at once and by a file."""
    params = {"max_depth": 3, "seed": 3, **params}
    data, model = make(), Booster(params)
    for i in range(3):
        model.update(data, i)
    file = bytes(model.save_raw())
    change(data)
    others = [Booster(params, model_file=file), Booster(params, model_file=file)]
    tables = [data, make(), make()]
    change(tables[1])
    for i in range(3, 6):
        for one, table in zip([model, *others], tables, strict=True):
            one.update(table, i)
    assert model.save_raw() == others[0].save_raw()
    assert model.save_raw() != others[1].save_raw()  # the change makes a difference


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", PARAMS)
def test_each_round_uses_what_its_table_holds(kind: str, change: str) -> None:
    check(PARAMS[kind], CHANGES[change], lambda: DMatrix(X, Y))


@pytest.mark.parametrize(
    ("params", "change", "fields"),
    [
        ({"objective": "rank:ndcg"}, lambda d: d.set_group([40] * 10), {"label": RELEVANCE, **GROUPS}),
        ({"objective": "rank:ndcg"}, lambda d: d.set_label(RELEVANCE[::-1]), {"label": RELEVANCE, **GROUPS}),
        ({"objective": "rank:ndcg"}, lambda d: d.set_weight(W[:20]), {"label": RELEVANCE, **GROUPS}),
        (
            {"objective": "survival:aft"},
            lambda d: d.set_float_info("label_upper_bound", 3 * Y),
            {"label_lower_bound": Y, "label_upper_bound": 2 * Y},
        ),
        (
            {"colsample_bynode": 0.5},
            lambda d: d.set_info(feature_weights=[0, 0, 1, 1]),
            {"label": Y, "feature_weights": [1, 1, 0, 0]},
        ),
        ({}, lambda d: setattr(d, "weight", None), {"label": Y, "weight": OTHER}),
        (
            {"monotone_constraints": {"b": 1}},
            lambda d: setattr(d, "feature_names", ["a", "c", "b", "d"]),
            {"label": Y, "feature_names": list("abcd")},
        ),
    ],
)
def test_groups_bounds_and_columns(params: dict[str, Any], change: Change, fields: dict[str, Any]) -> None:
    check(params, change, lambda: DMatrix(X, **fields))


def test_tables_that_are_binned_when_they_are_made() -> None:
    check({}, CHANGES["set_weight"], lambda: QuantileDMatrix(X, Y))

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for begin in range(0, ROWS, 100):
            yield X[begin : begin + 100], Y[begin : begin + 100]

    check({}, CHANGES["set_weight"], lambda: QuantileDMatrix(batches))


class At(TrainingCallback):
    """Does something before a round."""

    def __init__(self, iteration: int, what: Callable[[], object]) -> None:
        self.iteration, self.what = iteration, what

    def before_iteration(self, model: Any, iteration: int, history: Any) -> bool:
        if iteration == self.iteration:
            self.what()
        return False


@pytest.mark.parametrize("kind", ["hist", "approx", "exact", "dart"])
def test_callbacks_and_evaluation_tables(kind: str) -> None:
    params = {"max_depth": 3, "eval_metric": ["rmse", "mae"], **PARAMS[kind]}
    data, test = DMatrix(X, Y), DMatrix(X[:100], Y[:100])

    def change() -> None:
        data.set_weight(OTHER)
        test.set_info(label=Y[:100] + 10, weight=W[:100], base_margin=np.ones(100))

    got: dict[str, Any] = {}
    evals = [(data, "d"), (test, "t")]
    model = boost.train(params, data, 6, evals=evals, callbacks=[At(3, change)], evals_result=got)
    first = boost.train(params, DMatrix(X, Y), 3)
    again: dict[str, Any] = {}
    continued = boost.train(params, data, 3, xgb_model=first, evals=evals, evals_result=again)
    assert model.save_raw() == continued.save_raw()
    for table, name in (("d", "rmse"), ("t", "rmse"), ("t", "mae")):
        assert got[table][name][3:] == again[table][name]
    assert min(got["t"]["mae"][3:]) > max(got["t"]["mae"][:3]) + 5


def test_an_objective_may_set_weights() -> None:
    """Of the caller: it receives the table of each round."""
    seen = []

    def loss(margin: np.ndarray, table: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        seen.append(table.get_weight().sum())
        table.set_weight(W * len(seen))
        return margin - Y, np.ones(ROWS)

    boost.train({"max_depth": 2}, DMatrix(X, Y), 3, obj=loss)
    np.testing.assert_allclose(seen, [0, W.sum(), 2 * W.sum()], rtol=1e-6)


def test_reordered_columns_follow_the_table() -> None:
    """A continued training whose table has its columns in another order, and other codes."""
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "x", "y"), "c": X[:, 2]})
    first = boost.train({"max_depth": 3}, DMatrix(frame, Y), 2)
    models = []
    for late in (True, False):
        table = DMatrix(frame[["c", "b", "a"]], Y, weight=None if late else OTHER)
        if late:
            model = first.copy()
            model.set_param("max_depth", 3)
            fresh = model.copy()
            model.update(table, 2)
            table.set_weight(OTHER)
            model.update(table, 3)
        else:
            model = fresh
            model.update(DMatrix(frame[["c", "b", "a"]], Y), 2)
            model.update(table, 3)
        models.append(bytes(model.save_raw()))
    assert models[0] == models[1]


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_copies_and_pickles_hold_what_the_table_holds(copy_of: Callable[[DMatrix], DMatrix]) -> None:
    data, model = DMatrix(X, Y), Booster({"max_depth": 3})
    model.update(data, 0)
    data.set_weight(OTHER)
    other_model, other = model.copy(), copy_of(data)
    model.update(data, 1)
    other_model.update(other, 1)
    assert model.save_raw() == other_model.save_raw()
    other.set_label(Y[::-1])
    np.testing.assert_array_equal(data.get_label(), Y.astype(np.float32))
    with pytest.raises(ValueError, match="read-only"):
        other.label[0] = 1.0  # type: ignore[index]


def test_labels_are_checked_when_a_round_uses_them() -> None:
    data, model = DMatrix(X, Y > 1), Booster({"objective": "binary:logistic"})
    model.update(data, 0)
    data.set_label(Y)
    for _ in range(2):
        with pytest.raises(LabelError, match="binary:logistic needs labels 0 and 1"):
            model.update(data, 1)
    test = DMatrix(X, Y > 1)
    with pytest.raises(
        ValueError, match="metric 'logloss' needs labels from 0 to 1 in the evaluation DMatrix"
    ):
        boost.train(
            {"objective": "binary:logistic"},
            DMatrix(X, Y > 1),
            4,
            evals=[(test, "t")],
            callbacks=[At(2, lambda: test.set_label(Y + 5))],
        )


def test_columns_are_checked_when_a_round_uses_them() -> None:
    data, model = DMatrix(X, Y, feature_names=list("abcd")), Booster({"max_depth": 2})
    model.update(data, 0)
    data.feature_names = list("abce")
    with pytest.raises(DataError, match="the columns differ from those of the model"):
        model.update(data, 1)
    codes = DMatrix(np.abs(np.round(X)), Y)
    model = Booster({"max_depth": 2})
    model.update(codes, 0)
    codes.feature_types = ["c", "q", "q", "q"]
    with pytest.raises(DataError, match="feature_types changed between rounds"):
        model.update(codes, 1)


def test_attributes_are_checked_copied_and_read_only() -> None:
    data = DMatrix(X, Y, weight=W)
    with pytest.raises(DataError, match="weight must not be negative, got -1 in row 0"):
        data.weight = -np.ones(ROWS)
    np.testing.assert_array_equal(data.weight, W.astype(np.float32))
    label = data.get_label()
    label[:] = 0.0
    names = data.feature_names
    assert data.get_label().all() and names is None
    given = W.astype(np.float32)
    data.weight = given
    given[:] = 0.0
    assert data.get_weight().all()
    with pytest.raises(ValueError, match="read-only"):
        data.weight[:] = 2.0  # type: ignore[index]


def test_the_trees_weights_and_base_score_may_be_set() -> None:
    data, model = DMatrix(X, Y), Booster({"max_depth": 3})
    for i in range(3):
        model.update(data, i)
    for change in (
        lambda: setattr(model.forest, "weights", np.array([1.0, 0.5, 0.25])),
        lambda: setattr(model, "base_score", np.array([5.0])),
    ):
        change()
        other = pickle.loads(pickle.dumps(model))
        model.update(data, 3)
        other.update(data, 3)
        assert model.save_raw() == other.save_raw()
        model.forest.truncate(3)
