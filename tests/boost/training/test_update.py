"""process_type=update: trees refreshed and pruned by hand, and as XGBoost does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import boost
from boost import Booster, DMatrix

RNG = np.random.default_rng(0)
X = RNG.integers(0, 20, (600, 5)) / 4.0
Y = X[:, 0] * X[:, 1] - X[:, 2] + RNG.normal(size=600)
UPDATES: list[dict[str, Any]] = [
    {"updater": "refresh"},
    {"updater": "refresh", "refresh_leaf": False},
    {"updater": "prune", "gamma": 40.0},
    {"updater": "refresh,prune", "gamma": 20.0},
    {"updater": "prune", "max_depth": 2},
    {"updater": "prune", "max_depth": 1},
]


def updated(base: dict[str, Any], update: dict[str, Any], lib: Any = boost) -> tuple[Any, dict]:
    first, second = lib.DMatrix(X[:300], Y[:300]), lib.DMatrix(X[300:], Y[300:])
    history: dict = {}
    model = lib.train(
        {**base, "process_type": "update", **update},
        second,
        4,
        xgb_model=lib.train(base, first, 4, verbose_eval=False),
        evals=[(second, "second"), (first, "first")],
        evals_result=history,
        verbose_eval=False,
    )
    return model, history


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(
    "base",
    [
        {"max_depth": 4},
        {"max_depth": 4, "lambda": 0, "alpha": 3, "min_child_weight": 20},
        {"max_depth": 3, "max_delta_step": 0.5},
        {"max_depth": 4, "num_parallel_tree": 2},
        {"max_depth": 3, "objective": "reg:pseudohubererror"},
    ],
)
@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`")
def test_as_xgboost(base: dict[str, Any], update: dict[str, Any]) -> None:
    xgboost = pytest.importorskip("xgboost")
    if base.get("objective"):
        base = {**base, "base_score": 1.0}
    (theirs, their_history), (ours, our_history) = updated(base, update, xgboost), updated(base, update)
    assert ours.num_boosted_rounds() == theirs.num_boosted_rounds() == 4
    np.testing.assert_allclose(ours.predict(X), theirs.predict(xgboost.DMatrix(X)), rtol=1e-4, atol=1e-4)
    for table, by in their_history.items():
        for metric, values in by.items():
            np.testing.assert_allclose(our_history[table][metric], values, rtol=1e-5)
    frames = (model.trees_to_dataframe() for model in (theirs, ours))
    a, b = ({name: np.sort(frame[name].to_numpy()) for name in ("Gain", "Cover")} for frame in frames)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=2e-3)


def test_a_tree_by_hand() -> None:
    table = DMatrix([[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 10.0, 12.0])
    params = {"base_score": 0, "lambda": 0, "eta": 1, "max_depth": 2}
    model = boost.train(params, table, 1)
    assert model.predict(table).tolist() == [0, 2, 10, 12]
    other = DMatrix([[0.0], [1.0], [2.0], [3.0], [3.0]], [1.0, 1.0, 5.0, 6.0, 10.0])
    update = {**params, "process_type": "update"}
    again = boost.train({**update, "updater": "refresh"}, other, 1, xgb_model=model)
    assert again.predict(table).tolist() == [1, 1, 5, 8]
    # gains of the lower splits: (1, 1) gives 0, and (5, 8, 8) gives 25 + 128 - 147
    assert sorted(again.forest[0].gain.tolist())[-3:] == [0, 6, pytest.approx(2 + 147 - 23**2 / 5)]
    pruned = boost.train({**update, "updater": "refresh, prune", "gamma": 1}, other, 1, xgb_model=model)
    assert pruned.predict(table).tolist() == [1, 1, 5, 8] and pruned.forest[0].leaves == 3
    root = boost.train({**update, "updater": ["refresh", "prune"], "gamma": 1e3}, other, 1, xgb_model=model)
    assert root.forest[0].leaves == 1 and root.predict(table).tolist() == [pytest.approx(23 / 5)] * 4
    assert model.predict(table).tolist() == [0, 2, 10, 12]  # it is not changed


@pytest.mark.parametrize("objective", ["reg:absoluteerror", "binary:logistic", "multi:softprob"])
@pytest.mark.parametrize("updater", ["refresh", "prune"])
def test_other_losses_and_categories(objective: str, updater: str) -> None:
    frame = pd.DataFrame({"c": np.array(list("abcdefgh"))[RNG.integers(0, 8, 400)], "x": X[:400, 0]})
    label = {"binary:logistic": 2, "multi:softprob": 3}.get(objective, 100)
    y = np.where(frame["c"] < "d", 1, Y[:400].astype(int)) % label
    params = {"objective": objective, "num_class": 3} if label == 3 else {"objective": objective}
    table = DMatrix(frame, y)
    model = boost.train({**params, "max_depth": 3}, table, 3)
    # On the same table nothing changes; a pruner without a threshold changes nothing either.
    same = boost.train({**params, "process_type": "update", "updater": updater}, table, 3, xgb_model=model)
    np.testing.assert_allclose(same.predict(table), model.predict(table), rtol=1e-6)
    assert Booster(model_file=same.save_raw()).predict(table).tobytes() == same.predict(table).tobytes()
    small = boost.train(
        {**params, "process_type": "update", "updater": "prune", "max_depth": 1}, table, 3, xgb_model=model
    )
    assert all(small.forest[t].leaves <= 2 for t in range(small.forest.trees))
    assert Booster(model_file=small.save_raw()).predict(table).tobytes() == small.predict(table).tobytes()


def test_round_by_round_and_fewer_rounds() -> None:
    first, second = DMatrix(X[:300], Y[:300]), DMatrix(X[300:], Y[300:])
    model = boost.train({"max_depth": 3}, first, 4)
    update = {"process_type": "update", "updater": "refresh"}
    stepped = model.copy()
    stepped.set_param(update)
    for i in range(2):
        stepped.update(second, i)
    whole = boost.train({"max_depth": 3, **update}, second, 2, xgb_model=model)
    assert stepped.num_boosted_rounds() == 2 and stepped.save_raw() == whole.save_raw()
    stepped.set_param("process_type", "default")
    stepped.update(second, 2)
    assert stepped.num_boosted_rounds() == 3


@pytest.mark.parametrize(
    ("params", "rounds", "match"),
    [
        ({}, 3, "all 2 rounds of the model are updated"),
        ({"booster": "dart"}, 1, "for gbtree without vector leaves"),
    ],
)
def test_mistakes(params: dict, rounds: int, match: str) -> None:
    table = DMatrix(X, Y)
    given = {"process_type": "update", "updater": "refresh", **params}
    with pytest.raises(ValueError, match=match):
        boost.train(given, table, rounds, xgb_model=boost.train(params, table, 2))
    with pytest.raises(ValueError, match="changes the trees of a model, but it has none"):
        boost.train(given, table, 1)
