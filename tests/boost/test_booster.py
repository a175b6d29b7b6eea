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
from boost import Booster, DataError, DMatrix, LabelError, ParameterError
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
    monkeypatch.setattr("boost.forest.traverse.SERIAL_WORK", 0)
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
    assert np.array_equal(model.predict(frame[["b", "a"]]), model.predict(frame))
    with pytest.raises(ValueError, match="the data lacks 'b'; the model does not have 'z'"):
        model.predict(frame.rename(columns={"b": "z"}))
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
    code = "import boost.predict"
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


def test_rounds_one_by_one() -> None:
    x, y = big(6, 500)
    data = DMatrix(x, y)
    params = {"max_depth": 3, "subsample": 0.8, "colsample_bynode": 0.7}
    whole = boost.train(params, data, 5)
    model = Booster(params, [data])
    for i in range(5):
        model.update(data, i)
    assert model.predict(x).tobytes() == whole.predict(x).tobytes()
    other = DMatrix(x.copy(), y)
    rmse = float(np.sqrt(np.mean((model.predict(x) - data.label) ** 2)))
    assert model.eval(data, "t", 7) == f"[7]\tt-rmse:{rmse!r}"
    # Another table, and a change of parameters, in the middle.
    model = Booster(params)
    for i in range(5):
        model.update(other if i == 3 else data, i)
    assert model.predict(x).tobytes() == whole.predict(x).tobytes()
    model.set_param({"max_depth": 1})
    model.update(data, 5)
    assert model.forest[5].leaves == 2 and model.forest[4].leaves > 2
    with pytest.raises(ParameterError, match="num_parallel_tree cannot change from 1 to 2"):
        model.set_param("num_parallel_tree", 2)
    with pytest.raises(ParameterError, match="did you mean 'max_depth'"):
        model.set_param("max_dept", 2)


def test_parts_of_a_model() -> None:
    x, y = big(7, 400)
    data = DMatrix(x, np.digitize(y, [-1, 1]))
    model = boost.train({"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2}, data, 6)
    assert model.num_boosted_rounds() == 6 and model.forest.trees == 36
    assert [model.forest.output(t) for t in range(6)] == [0, 0, 1, 1, 2, 2]
    part = model[2:6:2]
    assert part.num_boosted_rounds() == 2 and part.forest.trees == 12
    start = model.model.start_margins(data)
    alone = [one.predict(data, output_margin=True) - start for one in model]
    np.testing.assert_allclose(
        part.predict(data, output_margin=True) - start, alone[2] + alone[4], atol=1e-12
    )
    ranged = model.predict(x, iteration_range=(1, 4), output_margin=True)
    np.testing.assert_allclose(ranged - start, sum(alone[1:4]), atol=1e-12)
    assert ranged.tobytes() == model[1:4].predict(x, output_margin=True).tobytes()
    assert model[-1].predict(x).tobytes() == model[5].predict(x).tobytes()
    assert model.predict(x, iteration_range=(0, 0)).tobytes() == model.predict(x).tobytes()
    with pytest.raises(IndexError, match="round 6 of a model of 6 rounds"):
        model[6]
    with pytest.raises(ValueError, match="step of a slice of rounds must be at least 1, got -1"):
        model[::-1]
    copy = model.copy()
    copy.set_attr(a="1")
    copy.update(data, 6)
    assert model.num_boosted_rounds() == 6 and model.attr("a") is None and copy.num_boosted_rounds() == 7


def test_attributes(tmp_path: Path) -> None:
    model = boost.train({}, DMatrix([[1.0], [2.0]], [1.0, 2.0]), 1)
    model.set_attr(why="so", number=3)
    assert model.attributes() == {"why": "so", "number": "3"} and model.attr("none") is None
    model.save_model(tmp_path / "m.json")
    again = Booster(model_file=tmp_path / "m.json")
    again.set_attr(number=None)
    assert again.attributes() == {"why": "so"} and again.num_features() == 1


def test_own_losses_and_metrics() -> None:
    x, y = big(8, 600)
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
    own = boost.train(params, data, 4, obj=logistic, evals_result=logs[1], **options)
    np.testing.assert_allclose(own.predict(x), built_in.predict(x), rtol=1e-6)
    np.testing.assert_allclose(logs[0]["t"]["logloss"], logs[1]["t"]["logloss"], rtol=1e-6)
    # The metric sees predictions of a built-in loss, margins of an own one.
    np.testing.assert_allclose(seen[3], built_in.predict(x), rtol=1e-12)
    np.testing.assert_allclose(seen[7], own.predict(x, output_margin=True), rtol=1e-12)
    step = Booster(params)
    for i in range(4):
        step.update(data, i, logistic)
    assert step.predict(x).tobytes() == own.predict(x).tobytes()
    step = Booster(params)
    step.boost(data, 0, *logistic(np.zeros(600), data))
    first = own.predict(x, iteration_range=(0, 1))
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


@pytest.mark.parametrize(
    "extra",
    [
        {"num_parallel_tree": 3},
        {"num_parallel_tree": 2, "sampling_method": "gradient_based"},
        {"multi_strategy": "multi_output_tree"},
        {"objective": "reg:absoluteerror", "num_parallel_tree": 2},
    ],
)
def test_continued_training_of_many_trees(extra: dict, tmp_path: Path) -> None:
    x, y = big(9, 400)
    label = np.column_stack((y, -y)) if "multi_strategy" in extra else y
    data = DMatrix(x, label, weight=np.arange(1.0, 401))
    params = {"subsample": 0.7, "max_depth": 3, "colsample_bytree": 0.8, **extra}
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    boost.train(params, data, 6).save_model(paths[0])
    boost.train(params, data, 4).save_model(paths[1])
    boost.train(params, data, 2, xgb_model=paths[1]).save_model(paths[2])
    assert paths[0].read_bytes() == paths[2].read_bytes()


def test_continued_training_keeps_what_the_loss_has_learned() -> None:
    x, y = big(9, 400)
    data = DMatrix(x, np.digitize(y, [-1, 1]), group=[20] * 20)
    params = {"objective": "rank:ndcg", "lambdarank_unbiased": True, "max_depth": 3}
    first = boost.train(params, data, 3)
    rest = boost.train(params, data, 3, xgb_model=first)
    assert rest.predict(x).tobytes() == boost.train(params, data, 6).predict(x).tobytes()


def test_parallel_trees_share_the_learning_rate() -> None:
    x, y = big(10, 500)
    one = boost.train({"max_depth": 3}, DMatrix(x, y), 2)
    # Without sampling, all trees of a round are the same: together they are one.
    four = boost.train({"max_depth": 3, "num_parallel_tree": 4}, DMatrix(x, y), 2)
    np.testing.assert_allclose(four.predict(x), one.predict(x), rtol=1e-5, atol=1e-6)
    lad = {"objective": "reg:absoluteerror", "max_depth": 3}
    one = boost.train(lad, DMatrix(x, y), 2)
    four = boost.train({**lad, "num_parallel_tree": 4}, DMatrix(x, y), 2)
    np.testing.assert_allclose(four.predict(x), one.predict(x), rtol=1e-5, atol=1e-6)


def test_predictions_in_place_and_of_leaves() -> None:
    x, y = big(11, 300)
    data = DMatrix(x, y)
    model = boost.train({"num_parallel_tree": 2, "subsample": 0.5}, data, 3)
    want = model.predict(data)
    rows = [model.inplace_predict(x[i : i + 1])[0] for i in range(300)]
    assert np.array(rows).tobytes() == want.tobytes()
    for form in (x, x.astype(np.float64), np.asfortranarray(x), pd.DataFrame(x)):
        assert model.inplace_predict(form).tobytes() == want.tobytes()
    filled = np.where(np.isnan(x), np.float32(-99), x)
    assert model.inplace_predict(filled, missing=-99.0).tobytes() == want.tobytes()
    margin = np.linspace(0, 1, 300)
    moved = model.inplace_predict(x, base_margin=margin)
    np.testing.assert_allclose(moved - margin, want - model.base_score[0], atol=1e-6)
    assert model.predict(x, strict_shape=True).shape == (300, 1)
    leaves = model.predict(x, pred_leaf=True)
    assert leaves.shape == (300, 6) and model.predict(x, pred_leaf=True, strict_shape=True).shape == (
        300,
        3,
        1,
        2,
    )
    values = sum(model.forest[t].condition[leaves[:, t]].astype(float) for t in range(6))
    np.testing.assert_allclose(model.base_score[0] + values, want, atol=1e-12)
    assert np.array_equal(model.predict(x, pred_leaf=True, iteration_range=(1, 2)), leaves[:, 2:4])
    with pytest.raises(DataError, match="infinity"):
        model.inplace_predict(np.full((1, 8), np.inf, dtype=np.float32))
    with pytest.raises(ValueError, match="predict_type must be 'value' or 'margin', got 'leaf'"):
        model.inplace_predict(x, predict_type="leaf")
    with pytest.raises(ValueError, match="the model has 8 features, the data has 7"):
        model.inplace_predict(x[:, :7])
    named = DMatrix(x, feature_names=[f"n{i}" for i in range(8)])
    model.feature_names = [f"m{i}" for i in range(8)]
    with pytest.raises(ValueError, match="the data lacks 'm0', .* and 3 more; the model does not have 'n0'"):
        model.predict(named)
    assert model.predict(named, validate_features=False).tobytes() == want.tobytes()


def test_continued_training_refuses_another_shape() -> None:
    data = DMatrix([[1.0], [2.0], [3.0]], [0, 1, 0])
    model = boost.train({}, data, 1)
    with pytest.raises(ValueError, match="trained with num_parallel_tree=1 .* params ask for 2"):
        boost.train({"num_parallel_tree": 2}, data, 1, xgb_model=model)
