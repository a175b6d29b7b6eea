"""The boosting loop: same bytes, quality, early stopping, continued training, errors."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import boost
from boost import Booster, DataError, DMatrix, LabelError
from boost.threads import Team


def big(seed: int = 0, rows: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """Return a table with missing values, and a label that needs interactions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (
        np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1])
        + np.sin(np.nan_to_num(x[:, 2]))
        + rng.normal(size=rows)
    )
    return x, y


OBJECTIVES = {
    "reg:squarederror": lambda y: y,
    "binary:logistic": lambda y: y > 0,
    "multi:softprob": lambda y: np.digitize(y, [-1, 1]),
    "rank:pairwise": lambda y: np.digitize(y, [-1, 1]),
}


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
    monkeypatch.setattr("boost.booster.SERIAL_WORK", 0)
    x, y = big(rows=6000)
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
    x, y = big(3, 4000)
    x = x.round(1)  # few distinct values: both use all of them
    for objective in ("reg:squarederror", "binary:logistic"):
        label = np.asarray(OBJECTIVES[objective](y), dtype=np.float32)
        params = {"objective": objective, "max_depth": 4, "base_score": 0.5, "max_bin": 255, "nthread": 1}
        ours = boost.train(params, DMatrix(x, label), 10)
        theirs = xgb.train({**params, "tree_method": "hist"}, xgb.DMatrix(x, label), 10)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(xgb.DMatrix(x)), rtol=1e-4, atol=1e-4)


def test_prediction_equals_the_training_margins() -> None:
    x, y = big(1, 3000)
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
    x, y = big(2, 3000)
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
    x, y = big(2, 3000)
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


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_continued_training_is_training(objective: str, tmp_path: Path) -> None:
    x, y = big(4, 500)
    data = DMatrix(x, OBJECTIVES[objective](y))
    classes = 3 if objective.startswith("multi") else 0
    params = {"objective": objective, "num_class": classes, "subsample": 0.7, "max_depth": 3}
    whole = boost.train(params, data, 10)
    first = boost.train(params, data, 4)
    path = tmp_path / "first.json"
    first.save_model(path)
    for start in (first, str(path)):
        rest = boost.train(params, data, 6, xgb_model=start)
        assert rest.predict(x).tobytes() == whole.predict(x).tobytes()
    assert first.num_boosted_rounds() == 4


def test_base_margin_replaces_the_base_score() -> None:
    x, y = big(5, 400)
    offset = np.linspace(-3, 3, 400)
    model = boost.train({"max_depth": 2}, DMatrix(x, y + offset, base_margin=offset), 5)
    np.testing.assert_allclose(
        model.predict(DMatrix(x, base_margin=offset)),
        model.predict(DMatrix(x, base_margin=np.zeros(400))) + offset,
    )
    with pytest.raises(ValueError, match=r"base_margin must have the shape \(400, 1\)"):
        model.predict(DMatrix(x, base_margin=np.zeros((400, 2))))


def test_sparse_frame_and_array_agree() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((300, 5)) < 0.5, np.nan, rng.normal(size=(300, 5)).round(2) + 9)
    y = rng.normal(size=300)
    forms = [x, pd.DataFrame(x), sp.csr_matrix(np.nan_to_num(x))]
    predictions = [boost.train({}, DMatrix(f, y), 5).predict(f).tobytes() for f in forms]
    assert len(set(predictions)) == 1


def test_categories_are_kept_with_the_model() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "grey"])
    c = rng.integers(0, 4, size=200)
    frame = pd.DataFrame({"c": words[c], "n": rng.normal(size=200)})
    y = np.array([0.0, 5.0, -5.0, 9.0])[c]
    model = boost.train({"eta": 1.0, "lambda": 0.0, "max_depth": 3}, DMatrix(frame, y), 1)
    other = pd.DataFrame(
        {"c": pd.Categorical(["grey", "red"], categories=["red", "x", "grey"]), "n": [0.0, 0.0]}
    )
    np.testing.assert_allclose(model.predict(other), [9, 0], atol=1e-5)
    unseen = pd.DataFrame({"c": ["pink", None], "n": [0.0, 0.0]})
    p = model.predict(unseen)
    assert p[0] == p[1]


def test_column_checks_at_prediction() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 1.0, 2.0]})
    model = boost.train({}, DMatrix(frame, [1.0, 2.0, 3.0]), 2)
    with pytest.raises(ValueError, match="column 0 is named 'b', but the model was trained with 'a'"):
        model.predict(frame[["b", "a"]])
    with pytest.raises(ValueError, match="the model has 2 features, the data has 3"):
        model.predict(np.zeros((1, 3)))
    with pytest.raises(DataError, match="two dimensions"):
        model.predict(np.zeros(2))


@pytest.mark.parametrize(
    ("params", "label", "match"),
    [
        ({"objective": "binary:logistic"}, [0, 1, 2], "needs labels 0 and 1, got 2 in row 2"),
        ({"objective": "binary:logistic"}, [1, 1, 1], "needs both classes, but every label .* is 1"),
        ({"objective": "binary:logistic", "base_score": 0.5}, [0, 0, 0], "needs both classes"),
        ({"objective": "multi:softprob", "num_class": 3}, [0, 1, 3], "labels 0 to 2, got 3 in row 2"),
        ({"objective": "multi:softprob", "num_class": 3}, [0, 1, 0.5], "got 0.5 in row 2"),
        ({"objective": "multi:softprob", "num_class": 3}, [1, 1, 1], "at least two classes"),
        ({"objective": "rank:pairwise"}, [1, 1, 1], "nothing to rank"),
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
        ({"early_stopping_rounds": 3}, "needs a table to watch: give evals"),
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


def test_no_rounds_predict_the_base_score() -> None:
    y = [0, 1, 1, 1]
    x = [[1.0], [2.0], [3.0], [4.0]]
    np.testing.assert_allclose(boost.train({}, DMatrix(x, y), 0).predict(x), 0.75)
    logistic = boost.train({"objective": "binary:logistic"}, DMatrix(x, y), 0)
    np.testing.assert_allclose(logistic.predict(x), 0.75)
    np.testing.assert_allclose(logistic.predict(x, output_margin=True), np.log(3))
    softprob = boost.train({"objective": "multi:softprob", "num_class": 2}, DMatrix(x, y), 0)
    np.testing.assert_allclose(softprob.predict(x), np.tile([0.25, 0.75], (4, 1)), rtol=1e-6)


def test_multiclass_and_importance() -> None:
    x, y = load_iris(return_X_y=True)
    model = boost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, DMatrix(x, y), 20)
    p = model.predict(x)
    assert p.shape == (150, 3) and np.allclose(p.sum(axis=1), 1)
    assert np.mean(p.argmax(axis=1) == y) > 0.97
    gain = model.get_score("gain")
    assert max(gain, key=lambda f: gain[f]) in ("f2", "f3")
    weight = model.get_score()
    assert sum(weight.values()) == sum(model.forest[t].leaves - 1 for t in range(60))
    with pytest.raises(ValueError, match="did you mean 'gain'"):
        model.get_score("gains")


def _train_in_child() -> None:
    x, y = big(0, 300_000)
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


def test_import_is_light() -> None:
    code = (
        "import sys, boost; print([m for m in ('numba', 'pandas', 'scipy', 'sklearn') if m in sys.modules])"
    )
    root = Path(boost.__file__).parents[1]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_first_compile_says_so(tmp_path: Path) -> None:
    code = "import boost.predict, boost.partition"
    root = Path(boost.__file__).parents[1]
    said = []
    for _ in range(2):
        out = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(out.stderr.count("compiling kernels"))
    assert said == [1, 0]


def test_empty_model_has_defaults() -> None:
    model = Booster()
    assert model.objective.name == "reg:squarederror" and model.num_boosted_rounds() == 0
