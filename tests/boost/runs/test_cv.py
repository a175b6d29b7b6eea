"""Cross-validation: equal to training on each fold; folds that keep query groups and shares of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold

import boost
from boost import DMatrix
from boost.runs.cv import _folds
from boost.training.callback import EarlyStopping, LearningRateScheduler, TrainingCheckPoint


def table(rows: int = 240) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return x, x[:, 0] * x[:, 1] + rng.normal(size=rows)


def test_each_fold_is_a_training() -> None:
    x, y = table()
    folds = list(KFold(3, shuffle=True, random_state=1).split(x))
    params = {"max_depth": 3, "subsample": 0.8, "eval_metric": ["rmse", "mae"]}
    result = boost.cv(params, DMatrix(x, y), 6, folds=folds)
    assert isinstance(result, pd.DataFrame) and len(result) == 6
    logs: list[dict] = []
    for a, b in folds:
        logs.append({})
        train, test = DMatrix(x[a], y[a]), DMatrix(x[b], y[b])
        evals = [(train, "train"), (test, "test")]
        boost.train(params, train, 6, evals=evals, evals_result=logs[-1], verbose_eval=False)
    for name in ("train", "test"):
        for metric in ("rmse", "mae"):
            each = np.array([log[name][metric] for log in logs])
            np.testing.assert_allclose(result[f"{name}-{metric}-mean"], each.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(result[f"{name}-{metric}-std"], each.std(axis=0), rtol=1e-9)
    assert list(result.columns)[:4] == [
        "train-rmse-mean",
        "train-rmse-std",
        "train-mae-mean",
        "train-mae-std",
    ]
    splitter = boost.cv(params, DMatrix(x, y), 6, folds=KFold(3, shuffle=True, random_state=1))
    pd.testing.assert_frame_equal(splitter, result)
    plain = boost.cv(params, DMatrix(x, y), 6, folds=folds, as_pandas=False)
    assert plain == {name: list(column) for name, column in result.items()}


def test_against_xgboost() -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = table()
    x = x.round(1)
    folds = list(KFold(3).split(x))
    params = {"max_depth": 3, "base_score": 0.0, "tree_method": "hist", "nthread": 1}
    ours = boost.cv(params, DMatrix(x, y), 5, folds=folds, metrics="rmse")
    theirs = xgb.cv(params, xgb.DMatrix(x, y), 5, folds=folds, metrics="rmse")
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_folds_partition_rows_and_groups() -> None:
    x, y = table()
    data = DMatrix(x, y)
    for shuffle in (True, False):
        pairs = list(_folds(data, 5, False, None, 0, shuffle))
        assert np.array_equal(np.sort(np.concatenate([b for _, b in pairs])), np.arange(240))
        for a, b in pairs:
            assert np.array_equal(np.sort(np.concatenate((a, b))), np.arange(240)) and len(b) == 48
        assert np.array_equal(pairs[0][1], np.arange(48)) == (not shuffle)
    again = list(_folds(data, 5, False, None, 0, True))
    other = list(_folds(data, 5, False, None, 1, True))
    first = list(_folds(data, 5, False, None, 0, True))
    assert np.array_equal(again[0][1], first[0][1]) and not np.array_equal(again[0][1], other[0][1])
    rare = DMatrix(x, np.arange(240) % 10 == 0)
    for _, b in _folds(rare, 4, True, None, 0, True):
        assert rare.label[b].sum() == 6
    sizes = [10, 30, 20, 60, 5, 15, 100]
    grouped, of = DMatrix(x, y, group=sizes), np.repeat(np.arange(7), sizes)
    for folds in (None, GroupKFold(3)):
        for a, b in _folds(grouped, 3, False, folds, 0, True):
            assert not set(of[a]) & set(of[b]) and len(a) + len(b) == 240


def test_ranking_by_whole_groups() -> None:
    x, y = table()
    data = DMatrix(x, np.digitize(y, [-1, 1]), group=[12] * 20)
    result = boost.cv({"objective": "rank:pairwise", "max_depth": 2}, data, 4, nfold=4, metrics=["ndcg@3"])
    assert list(result.columns)[2] == "test-ndcg@3-mean" and len(result) == 4
    assert result["train-ndcg@3-mean"].iloc[-1] > result["test-ndcg@3-mean"].iloc[-1] > 0.3


def test_early_stopping_ends_with_the_best_round() -> None:
    x, y = table()
    params = {"eta": 0.6}
    whole = boost.cv(params, DMatrix(x, y), 30, metrics="rmse", seed=3)
    best = int(whole["test-rmse-mean"].argmin())
    assert best < 20
    stopped = boost.cv(params, DMatrix(x, y), 30, metrics="rmse", seed=3, early_stopping_rounds=10)
    pd.testing.assert_frame_equal(stopped, whole.iloc[: best + 1])
    kept = EarlyStopping(rounds=10, data_name="train")
    assert len(boost.cv(params, DMatrix(x, y), 30, metrics="rmse", seed=3, callbacks=[kept])) == 30


def test_custom_functions_and_printing(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = table()
    data = DMatrix(x, y)

    def squared(margin: np.ndarray, table: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        return margin - table.label, np.ones_like(margin)

    def worst(prediction: np.ndarray, table: DMatrix) -> tuple[str, float]:
        return "worst", float(np.abs(prediction - table.label).max())

    params = {"base_score": 0.5}
    built_in = boost.cv(params, data, 3, custom_metric=worst)
    custom = boost.cv(params, data, 3, obj=squared, custom_metric=worst, verbose_eval=2)
    np.testing.assert_allclose(custom, built_in, rtol=1e-6)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("[2]\ttrain-rmse:") and "+" in lines[1]
    rates = LearningRateScheduler([0.5, 0.2, 0.1])
    assert len(boost.cv({}, data, 3, callbacks=[rates])) == 3


def test_mistakes(tmp_path: object) -> None:
    x, y = table(10)
    data = DMatrix(x, y)
    cases: list[tuple[dict, str]] = [
        ({"nfold": 1}, "nfold must be an integer of at least 2, got 1"),
        ({"nfold": 11}, "nfold is 11, but there are only 10 rows"),
        ({"dtrain": DMatrix(x, y, group=[5, 5])}, "nfold is 3, but there are only 2 query groups"),
        ({"dtrain": DMatrix(x, y, group=[3, 3, 4]), "stratified": True}, "query groups cannot be stratified"),
        ({"folds": [([0, 1], [12])]}, "folds hold rows 12 to 12, the table has 0 to 9"),
        ({"folds": [([0, 1], [])]}, "none of them empty"),
        ({"dtrain": [[1.0]]}, "dtrain must be a DMatrix, got list"),
        ({"metrics": "rsme"}, "did you mean 'rmse'"),
        (
            {"callbacks": [TrainingCheckPoint(tmp_path, interval=1)]},
            "boost.cv keeps no model to save",
        ),
    ]
    for options, match in cases:
        with pytest.raises(ValueError, match=match):
            boost.cv(**{"params": {}, "dtrain": data, **options})


def test_positions_pairs_and_preprocessing() -> None:
    rng = np.random.default_rng(0)
    data = DMatrix(rng.normal(size=(60, 3)), np.arange(60) % 2)
    params = {"objective": "binary:logistic", "max_depth": 2}
    expected = boost.cv(params, data, 2, nfold=4, metrics=["auc", "error"], seed=3)
    given = boost.cv(
        list(params.items()), data, np.int64(2), np.int32(4), metrics=("auc", "error"), seed=np.int8(3)
    )
    pd.testing.assert_frame_equal(given, expected)
    by_position = boost.cv(params, data, 2, 4, False, None, ["auc", "error"], seed=3)
    pd.testing.assert_frame_equal(by_position, expected)
    seen = []

    def halve(train: DMatrix, test: DMatrix, given: dict) -> tuple[DMatrix, DMatrix, dict]:
        seen.append((train.num_row(), test.num_row(), given["max_depth"]))
        given["scale_pos_weight"] = float(np.mean(train.get_label() == 0))
        return train, test, {**given, "eval_metric": "error"}

    result = boost.cv(params, data, 2, 4, fpreproc=halve)
    assert list(result) == ["train-error-mean", "train-error-std", "test-error-mean", "test-error-std"]
    assert seen == [(45, 15, 2)] * 4 and "scale_pos_weight" not in params
    for bad, match in (
        ({"fpreproc": lambda *a: a[:2]}, r"fpreproc must return \(dtrain, dtest, params\)"),
        ({"fpreproc": lambda *a: (1, 2, {})}, "dtrain of fpreproc must be a DMatrix, got int"),
        ({"metrics": [len]}, "metrics must be names, got <built-in function len>: give functions as custom"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            boost.cv(params, data, 1, **bad)  # type: ignore[arg-type]


def test_rare_positives_run() -> None:
    label = np.zeros(30)
    label[7] = 1
    data = DMatrix(np.arange(30.0)[:, np.newaxis], label)
    with pytest.warns(UserWarning, match="binary:logistic has nothing to learn"):
        result = boost.cv({"objective": "binary:logistic"}, data, 2, 3, metrics=["logloss", "auc"])
    assert len(result) == 2 and np.isfinite(result["test-logloss-mean"]).all()
