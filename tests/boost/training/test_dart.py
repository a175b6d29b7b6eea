"""Dropout: the dropped trees, the normalised weights, and margins that stay exact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boost
from boost import Booster, DMatrix
from boost.params import resolve
from boost.training.dart import drop_trees, normalize


def table(rows: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return x, x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + rng.normal(size=rows) / 4


def test_weights_worked_by_hand() -> None:
    assert normalize(0, 0.5, "tree") == (1.0, 1.0)
    assert normalize(3, 0.5, "tree") == (1 / 3.5, 3 / 3.5)
    assert normalize(3, 0.5, "forest") == (1 / 1.5, 1 / 1.5)
    # Everything is dropped in each round: round r has r trees to make up for.
    x, y = table()
    params = {"booster": "dart", "rate_drop": 1.0, "eta": 0.5}
    model = boost.train(params, DMatrix(x, y), 3)
    first = 1 / 1.5 * 2 / 2.5  # dropped alone, then with the second
    np.testing.assert_allclose(model.forest.weights, [first, 1 / 1.5 * 2 / 2.5, 1 / 2.5], rtol=1e-6)
    model = boost.train({**params, "normalize_type": "forest"}, DMatrix(x, y), 3)
    np.testing.assert_allclose(model.forest.weights, [1 / 1.5**2, 1 / 1.5**2, 1 / 1.5], rtol=1e-6)
    # Each tree of such a model is fitted to the labels alone.
    one = boost.train({"eta": 0.5}, DMatrix(x, y), 1)
    np.testing.assert_array_equal(model.forest[2].condition, one.forest[0].condition)


def test_trees_are_drawn_as_often_as_they_should() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([0.1, 0.2, 0.3, 0.4])

    def share(**given: object) -> np.ndarray:
        params = resolve({"booster": "dart", **given})
        count = np.zeros(4)
        for _ in range(4000):
            count[drop_trees(weights, params, rng)] += 1
        return count / 4000

    np.testing.assert_allclose(share(rate_drop=0.3), 0.3, atol=0.03)
    np.testing.assert_allclose(share(rate_drop=0.3, skip_drop=0.5), 0.15, atol=0.03)
    np.testing.assert_allclose(share(rate_drop=0.5, sample_type="weighted"), 2 * weights, atol=0.03)
    np.testing.assert_allclose(share(one_drop=True), 0.25, atol=0.03)
    np.testing.assert_allclose(share(one_drop=True, sample_type="weighted"), weights, atol=0.03)
    assert share(rate_drop=1.0).tolist() == [1, 1, 1, 1] and share().tolist() == [0, 0, 0, 0]


def test_without_drops_it_is_plain_boosting() -> None:
    x, y = table()
    plain, dart = (boost.train({"booster": b}, DMatrix(x, y), 5) for b in ("gbtree", "dart"))
    np.testing.assert_allclose(dart.predict(x), plain.predict(x), rtol=1e-6)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"sample_type": "weighted", "normalize_type": "forest"},
        {"num_parallel_tree": 2, "subsample": 0.7},
        {"objective": "multi:softprob", "num_class": 3},
    ],
)
def test_continued_training_is_training(extra: dict, tmp_path: Path) -> None:
    x, y = table()
    data = DMatrix(x, np.digitize(y, [0, 1]) if "num_class" in extra else y)
    params = {"booster": "dart", "rate_drop": 0.4, "skip_drop": 0.2, "max_depth": 3, **extra}
    paths = [tmp_path / f"{name}.json" for name in ("whole", "first", "rest")]
    log: dict = {}
    whole = boost.train(params, data, 12, evals=[(data, "t")], evals_result=log, verbose_eval=False)
    whole.save_model(paths[0])
    boost.train(params, data, 5).save_model(paths[1])
    rest_log: dict = {}
    rest = boost.train(
        params, data, 7, xgb_model=paths[1], evals=[(data, "t")], evals_result=rest_log, verbose_eval=False
    )
    rest.save_model(paths[2])
    assert paths[0].read_bytes() == paths[2].read_bytes()
    (metric,) = log["t"]
    assert rest_log["t"][metric] == log["t"][metric][5:]
    assert len(set(whole.forest.weights.tolist())) > 3


def test_margins_follow_the_model() -> None:
    x, y = table()
    data, copy, log = DMatrix(x, y), DMatrix(x.copy(), y), {}
    params = {"booster": "dart", "rate_drop": 0.5, "eta": 0.5, "seed": 3}
    evals = [(data, "train"), (copy, "copy")]
    model = boost.train(params, data, 15, evals=evals, evals_result=log, verbose_eval=False)
    assert log["train"] == log["copy"]
    label = data.label.astype(float)
    rmse = np.sqrt(np.mean((model.predict(x) - label) ** 2))
    assert rmse == pytest.approx(log["train"]["rmse"][-1], rel=1e-8)
    assert rmse < 0.7 * np.std(y)
    step = Booster(params)
    for i in range(15):
        step.update(data, i)
    assert step.predict(x).tobytes() == model.predict(x).tobytes()


def test_early_stopping_restores_the_weights() -> None:
    x, y = table(150)
    a, b = DMatrix(x[:60], y[:60]), DMatrix(x[60:], y[60:])
    params = {"booster": "dart", "rate_drop": 0.5, "eta": 0.7}
    model = boost.train(params, a, 100, evals=[(b, "b")], early_stopping_rounds=5, verbose_eval=False)
    assert model.best_iteration is not None and model.best_iteration < 94
    short = boost.train(params, a, model.best_iteration + 1)
    assert short.predict(b).tobytes() == model.predict(b).tobytes()
    rmse = np.sqrt(np.mean((model.predict(b) - b.label.astype(float)) ** 2))
    assert rmse == pytest.approx(model.best_score, rel=1e-8)


def test_training_predictions_leave_trees_out() -> None:
    x, y = table()
    params = {"booster": "dart", "rate_drop": 1.0}
    model = boost.train(params, DMatrix(x, y), 4)
    np.testing.assert_allclose(model.predict(x, training=True), model.base_score[0])
    plain = boost.train({}, DMatrix(x, y), 4)
    assert plain.predict(x, training=True).tobytes() == plain.predict(x).tobytes()


@pytest.mark.parametrize("kind", ["tree", "forest"])
@pytest.mark.parametrize("parallel", [1, 3])
def test_against_xgboost(kind: str, parallel: int) -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = table()
    x = x.round(1)
    # All trees are dropped in each round: nothing depends on chance.
    params = {
        "booster": "dart",
        "rate_drop": 1.0,
        "normalize_type": kind,
        "num_parallel_tree": parallel,
        "max_depth": 3,
        "eta": 0.4,
        "base_score": 0.0,
        "nthread": 1,
        "tree_method": "hist",
    }
    ours = boost.train(params, DMatrix(x, y), 5)
    theirs = xgb.train(params, xgb.DMatrix(x, y), 5)
    saved = json.loads(theirs.save_raw("json"))
    weights = saved["learner"]["gradient_booster"]["weight_drop"]
    np.testing.assert_allclose(ours.forest.weights, weights, rtol=1e-5)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(xgb.DMatrix(x)), rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["uniform", "weighted"]),
    st.sampled_from(["tree", "forest"]),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 5),
)
def test_training_interrupted_at_any_round_gives_the_same_model(
    kind: str, rule: str, rate: float, one: bool, cut: int
) -> None:
    x, y = table(60)
    data = DMatrix(x, y * 1e4)
    params = {
        "booster": "dart",
        "sample_type": kind,
        "normalize_type": rule,
        "rate_drop": rate,
        "one_drop": one,
        "max_depth": 2,
    }
    whole = boost.train(params, data, 6)
    parts = boost.train(params, data, 6 - cut, xgb_model=boost.train(params, data, cut))
    assert parts.predict(x).tobytes() == whole.predict(x).tobytes()
