"""`train`: the same bytes for any number of threads, quality, early stopping, custom functions, errors."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import boost
from boost import Booster, DMatrix, LabelError
from boost.threads import Team
from tests.boost.training_tables import OBJECTIVES, rough_table


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_same_bytes_for_any_number_of_threads(
    objective: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions = 0
    run_calls = Team.run

    def counted(team: Team, calls: list) -> None:
        nonlocal regions
        regions += 1
        run_calls(team, calls)

    monkeypatch.setattr(Team, "run", counted)
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    monkeypatch.setattr("boost.forest.traverse.SERIAL_WORK", 0)
    x, y = rough_table(rows=6000)
    label = OBJECTIVES[objective](y)
    group = [100] * 60 if objective == "rank:pairwise" else None
    saved, predicted = [], []
    for run, threads in enumerate((1, 2, 4, 4)):
        params = {
            "objective": objective,
            "num_class": 3 if objective.startswith("multi") else 0,
            "nthread": threads,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "seed": 7,
        }
        model = boost.train(params, DMatrix(x, label, group=group), 3)
        path = tmp_path / f"{run}.json"
        model.save_model(path)
        saved.append(path.read_bytes())
        predicted.append(model.predict(x).tobytes())
        assert (regions > 0) == (threads > 1)
    assert len(set(saved)) == 1
    assert len(set(predicted)) == 1


def test_small_quality_against_scikit_learn() -> None:
    x, y = load_diabetes(return_X_y=True)
    xa, xb, ya, yb = train_test_split(x, y, random_state=0)
    model = boost.train({"eta": 0.05, "max_depth": 3, "min_child_weight": 5}, DMatrix(xa, ya), 100)
    peer = HistGradientBoostingRegressor(learning_rate=0.05, max_depth=3, max_iter=100, min_samples_leaf=5)
    ours = np.sqrt(np.mean((model.predict(xb) - yb) ** 2))
    with threadpool_limits(1):  # its threads wait for each other for seconds on a busy machine
        theirs = np.sqrt(np.mean((peer.fit(xa, ya).predict(xb) - yb) ** 2))
    assert ours < 1.03 * theirs

    x, y = load_breast_cancer(return_X_y=True)
    xa, xb, ya, yb = train_test_split(x, y, random_state=0)
    model = boost.train({"objective": "binary:logistic", "eta": 0.1, "max_depth": 4}, DMatrix(xa, ya), 60)
    with threadpool_limits(1):
        peer = HistGradientBoostingClassifier(max_depth=4, max_iter=60, random_state=0).fit(xa, ya)
        q = peer.predict_proba(xb)[:, 1]
    p = model.predict(xb)
    assert roc_auc_score(yb, p) > 0.98
    assert log_loss(yb, p) < 1.2 * log_loss(yb, q)


def test_against_xgboost() -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = rough_table(3, 4000)
    x = x.round(1)  # few distinct values: both use all of them
    for objective in ("reg:squarederror", "binary:logistic"):
        label = np.asarray(OBJECTIVES[objective](y), dtype=np.float32)
        params = {"objective": objective, "max_depth": 4, "base_score": 0.5, "max_bin": 255, "nthread": 1}
        ours = boost.train(params, DMatrix(x, label), 10)
        theirs = xgb.train({**params, "tree_method": "hist"}, xgb.DMatrix(x, label), 10)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(xgb.DMatrix(x)), rtol=1e-4, atol=1e-4)


def test_prediction_equals_the_training_margins() -> None:
    x, y = rough_table(1, 3000)
    data, history = DMatrix(x, y), {}
    copy = DMatrix(x.copy(), y)
    model = boost.train({}, data, 8, evals=[(data, "train"), (copy, "copy")], evals_result=history)
    assert history["train"]["rmse"] == history["copy"]["rmse"]
    assert history["train"]["rmse"] == sorted(history["train"]["rmse"], reverse=True)
    label = data.label.astype(float)
    assert np.sqrt(np.mean((model.predict(x) - label) ** 2)) == history["train"]["rmse"][-1]
    halfway = model.predict(x, iteration_range=(0, 4))
    assert np.sqrt(np.mean((halfway - label) ** 2)) == history["train"]["rmse"][3]


def test_early_stopping_keeps_the_best_round(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = rough_table(2, 3000)
    a, b = DMatrix(x[:500], y[:500]), DMatrix(x[500:], y[500:])
    history: dict = {}
    model = boost.train(
        {"eta": 0.5},
        a,
        500,
        evals=[(a, "a"), (b, "b")],
        evals_result=history,
        early_stopping_rounds=5,
        verbose_eval=2,
    )
    curve = history["b"]["rmse"]
    assert model.best_iteration == int(np.argmin(curve)) and model.best_score == min(curve)
    assert len(curve) == model.best_iteration + 6 < 500
    assert model.num_boosted_rounds() == model.best_iteration + 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("[2]\ta-rmse:") and "\tb-rmse:" in lines[1]


def test_early_stopping_maximizes_auc() -> None:
    x, y = rough_table(2, 3000)
    a, b = DMatrix(x[:500], y[:500] > 0), DMatrix(x[500:], y[500:] > 0)
    history: dict = {}
    model = boost.train(
        {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"]},
        a,
        300,
        evals=[(b, "b")],
        evals_result=history,
        early_stopping_rounds=5,
    )
    assert model.best_iteration == int(np.argmax(history["b"]["auc"]))


def test_sparse_frame_and_array_agree() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((300, 5)) < 0.5, np.nan, rng.normal(size=(300, 5)).round(2) + 9)
    y = rng.normal(size=300)
    forms = [x, pd.DataFrame(x), sp.csr_matrix(np.nan_to_num(x))]
    predictions = [boost.train({}, DMatrix(f, y), 5).predict(f).tobytes() for f in forms]
    assert len(set(predictions)) == 1


@pytest.mark.parametrize(
    ("params", "label", "match"),
    [
        ({"objective": "binary:logistic"}, [0, 1, 2], "needs labels 0 and 1, got 2 in row 2"),
        ({"objective": "multi:softprob", "num_class": 3}, [0, 1, 3], "labels 0 to 2, got 3 in row 2"),
        ({"objective": "multi:softprob", "num_class": 3}, [0, 1, 0.5], "got 0.5 in row 2"),
        ({}, None, "reg:squarederror needs labels"),
    ],
)
def test_bad_labels(params: dict, label: list | None, match: str) -> None:
    with pytest.raises(LabelError, match=match):
        boost.train(params, DMatrix([[1.0], [2.0], [3.0]], label), 1)


def test_bad_calls() -> None:
    data = DMatrix([[1.0], [2.0], [3.0]], [0, 1, 0])
    cases: list[tuple[dict, str]] = [
        ({"num_boost_round": -1}, "num_boost_round must be an integer of at least 0, got -1"),
        ({"num_boost_round": 2.5}, "num_boost_round must be an integer"),
        ({"early_stopping_rounds": 3}, "needs an evaluation table: give evals"),
        ({"early_stopping_rounds": 0, "evals": [(data, "a")]}, "early_stopping_rounds must be"),
        ({"evals": [(data, "a"), (data, "a")]}, "two tables of one name"),
        ({"evals": [([[1]], "a")]}, r"pairs \(DMatrix, name\), got list"),
        ({"params": {"eval_metric": "rsme"}}, "unknown eval_metric 'rsme'; did you mean 'rmse'"),
        ({"params": {"objective": "multi:softprob"}}, "num_class of at least 2, got 0"),
        ({"params": {"objective": "binary:logistic", "base_score": 2.0}}, r"probability in \(0, 1\), got 2"),
    ]
    for options, match in cases:
        with pytest.raises(ValueError, match=match):
            boost.train(**{"params": {}, "dtrain": data, **options})
    with pytest.raises(ValueError, match="dtrain must be a DMatrix, got list"):
        boost.train({}, [[1.0]])  # type: ignore[arg-type]
    model = boost.train({}, data, 2)
    with pytest.raises(ValueError, match="was trained with reg:squarederror"):
        boost.train({"objective": "binary:logistic"}, data, 1, xgb_model=model)
    with pytest.raises(ValueError, match=r"iteration_range must lie within \(0, 2\)"):
        model.predict(data, iteration_range=(0, 3))
    far = DMatrix([[1.0], [2.0]], [-3e38, -3e38], base_margin=[3e38, 3e38])
    with pytest.raises(ValueError, match="round 0 made a leaf that is not finite"):
        boost.train({"eta": 1.0, "lambda": 0.0}, far, 3)
    huge = boost.train({"lambda": 0.0, "eta": 1.0}, DMatrix([[1.0], [2.0]], [3e38, -3e38]), 1)
    np.testing.assert_allclose(huge.predict([[1.0], [2.0]]), [3e38, -3e38], rtol=1e-6)


def _train_in_child() -> None:
    x, y = rough_table(0, 300_000)
    boost.train({"nthread": 2, "max_depth": 2}, DMatrix(x, y), 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_after_training() -> None:
    _train_in_child()
    child = multiprocessing.get_context("fork").Process(target=_train_in_child)
    child.start()
    child.join(120)
    alive = child.is_alive()
    child.kill()
    assert not alive and child.exitcode == 0


def test_custom_losses_and_metrics() -> None:
    x, y = rough_table(8, 600)
    label = y > 0
    data = DMatrix(x, label)
    seen: list[np.ndarray] = []

    def logistic(margin: np.ndarray, table: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        p = 1 / (1 + np.exp(-margin))
        return p - table.label, p * (1 - p)

    def mean(prediction: np.ndarray, table: DMatrix) -> tuple[str, float]:
        seen.append(prediction.copy())
        return "mean", float(prediction.mean())

    params = {"objective": "binary:logistic", "base_score": 0.5, "eta": 0.5}
    options: dict = {"evals": [(data, "t")], "verbose_eval": False, "custom_metric": mean}
    logs: list[dict] = [{}, {}]
    built_in = boost.train(params, data, 4, evals_result=logs[0], **options)
    custom = boost.train(params, data, 4, obj=logistic, evals_result=logs[1], **options)
    np.testing.assert_allclose(custom.predict(x), built_in.predict(x), rtol=1e-6)
    np.testing.assert_allclose(logs[0]["t"]["logloss"], logs[1]["t"]["logloss"], rtol=1e-6)
    # The metric sees predictions of a built-in loss, margins of a custom one.
    np.testing.assert_allclose(seen[3], built_in.predict(x), rtol=1e-12)
    np.testing.assert_allclose(seen[7], custom.predict(x, output_margin=True), rtol=1e-12)
    step = Booster(params)
    for i in range(4):
        step.update(data, i, logistic)
    assert step.predict(x).tobytes() == custom.predict(x).tobytes()
    step = Booster(params)
    step.boost(data, 0, *logistic(np.zeros(600), data))
    first = custom.predict(x, iteration_range=(0, 1))
    np.testing.assert_allclose(step.predict(x), first, rtol=1e-6)
    maximal = boost.train(
        params,
        data,
        50,
        maximize=True,
        early_stopping_rounds=2,
        **{**options, "custom_metric": lambda p, d: ("down", -len(seen))},
    )
    assert maximal.best_iteration is not None


def test_parallel_trees_share_the_learning_rate() -> None:
    x, y = rough_table(10, 500)
    one = boost.train({"max_depth": 3}, DMatrix(x, y), 2)
    # Without sampling, all trees of a round are the same: together they are one.
    four = boost.train({"max_depth": 3, "num_parallel_tree": 4}, DMatrix(x, y), 2)
    np.testing.assert_allclose(four.predict(x), one.predict(x), rtol=1e-5, atol=1e-6)
    lad = {"objective": "reg:absoluteerror", "max_depth": 3}
    one = boost.train(lad, DMatrix(x, y), 2)
    four = boost.train({**lad, "num_parallel_tree": 4}, DMatrix(x, y), 2)
    np.testing.assert_allclose(four.predict(x), one.predict(x), rtol=1e-5, atol=1e-6)


def test_everything_by_position_and_parameters_as_text_or_pairs() -> None:
    x, y = np.arange(60.0).reshape(30, 2) % 7, np.arange(30.0) % 5
    data = DMatrix(x, y)
    history: dict = {}
    options = {"evals": [(data, "t")], "evals_result": history, "verbose_eval": False}
    expected = boost.train({"eta": 0.5, "max_depth": 3, "eval_metric": ["mae", "rmse"]}, data, 4, **options)
    seen = dict(history)
    for params in (
        [("eta", "0.1"), ("eta", "0.5"), ("max_depth", "3"), ("eval_metric", "mae"), ("eval_metric", "rmse")],
        {"eta": np.float64(0.5), "max_depth": np.int8(3), "eval_metric": np.array(["mae", "rmse"])},
        {"eta": "5e-1", "max_depth": "3", "eval_metric": ("mae", "rmse"), "gamma": None, "nthread": None},
    ):
        rounds, result = np.int64(4), {}
        model = boost.train(params, data, rounds, [(data, "t")], None, None, None, result, False)  # type: ignore[arg-type]
        assert model.save_raw() == expected.save_raw() and result == seen
    for rate in (0, 1.5):
        predicted = boost.train({"eta": rate, "base_score": 1}, data, 1).predict(data)
        assert (predicted == 1).all() if rate == 0 else predicted.std() > 0.1
    assert boost.train({"seed": -1, "subsample": 0.5}, data, 2).predict(data).shape == (30,)


def test_several_metrics_of_callables() -> None:
    data = DMatrix(np.arange(20.0)[:, np.newaxis], np.arange(20.0))

    def two(prediction: np.ndarray, table: DMatrix) -> list[tuple[str, float]]:
        return [("first", float(prediction[0])), ("last", float(prediction[-1]))]

    def one(prediction: np.ndarray, table: DMatrix) -> tuple[str, float]:
        return "one", 1.0

    history: dict = {}
    options: dict = {"evals": [(data, "t")], "evals_result": history, "verbose_eval": False}
    model = boost.train({"eval_metric": "mae"}, data, 2, custom_metric=[two, one], **options)
    assert list(history["t"]) == ["mae", "first", "last", "one"]
    assert history["t"]["last"][-1] == model.predict(data)[-1]
    assert model.eval_set([(data, "t")], feval=two).count("t-") == 3
    assert "test-last-std" in boost.cv({}, data, 2, custom_metric=two)
    with pytest.raises(ValueError, match="must return a pair .name, value., or a list of pairs, got 3"):
        boost.train({}, data, 1, custom_metric=lambda p, d: 3, **options)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("evals", [[1], [(1, 2, 3)], 5])
def test_evals_that_are_no_pairs(evals: object) -> None:
    with pytest.raises(ValueError, match=r"evals must be a list of pairs \(DMatrix, name\), got"):
        boost.train({}, DMatrix([[1.0]], [1]), 1, evals=evals)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
@pytest.mark.parametrize(
    ("objective", "label", "constant"),
    [
        ("binary:logistic", 0, 0),
        ("binary:logistic", 1, 1),
        ("binary:logitraw", 1, np.log(1e6)),
        ("binary:hinge", 1, 1),
        ("multi:softmax", 2, 2),
        ("survival:cox", -3, 1),
        ("rank:ndcg", 1, 0),
        ("rank:pairwise", 1, 0),
        ("rank:map", 1, 0),
    ],
)
def test_labels_without_anything_to_learn(objective: str, label: float, constant: float, method: str) -> None:
    x = np.arange(40.0).reshape(20, 2)
    params = {
        "objective": objective,
        "tree_method": method,
        **({"num_class": 3} if "multi" in objective else {}),
    }
    with pytest.warns(
        UserWarning, match=f"{objective} has nothing to learn, the predictions are const"
    ) as seen:
        model = boost.train(params, DMatrix(x, np.full(20, label)), 3)
    assert len(seen) == 1 and seen[0].filename == __file__
    predicted = model.predict(x)
    assert (predicted == predicted[0]).all() and predicted[0] == pytest.approx(constant, rel=2e-6, abs=2e-6)
    assert model.get_score() == {}
