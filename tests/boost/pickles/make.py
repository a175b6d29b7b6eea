"""How the pickles of this folder were made. They are kept: later versions must load them as they are.

``PYTHONPATH=. python tests/boost/pickles/make.py NAME ...`` adds pickles that are not there yet, with the
predictions of the version that wrote them. All of them were written by version 0.1 of November 2026, whose
modules had other names and whose boosters were their own models.
"""

from __future__ import annotations

import functools
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

import boost

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
ROWS = 120
SHOWN = 12
_RNG = np.random.default_rng(11)
X = np.where(_RNG.random((ROWS, 3)) < 0.15, np.nan, _RNG.normal(size=(ROWS, 3))).astype(np.float32)
Y = (np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) ** 2).astype(np.float32)
CLASS = np.digitize(Y, [-1, 0])
TWO = np.stack((Y, -Y), axis=1)
FRAME = pd.DataFrame(
    {"a": X[:, 0], "shop": pd.Categorical(_RNG.choice(["x", "yy", "zzz", "w"], ROWS)), "b": X[:, 1]}
)
GROUPS = [12] * 10
MULTI = {"objective": "multi:softprob", "num_class": 3}


def booster(
    params: dict[str, Any], rows: Any, label: Any, group: Any = None, rounds: int = 3
) -> boost.Booster:
    """Return a small model."""
    table = boost.DMatrix(rows, label, group=group)
    return boost.train({"max_depth": 2, "seed": 1, **params}, table, rounds)


def watched() -> boost.Booster:
    """Return a model of a training with an evaluation set, early stopping and attributes."""
    a, b = boost.DMatrix(X[:80], Y[:80]), boost.DMatrix(X[80:], Y[80:])
    model = boost.train({"max_depth": 2}, a, 4, evals=[(b, "b")], early_stopping_rounds=2, verbose_eval=False)
    model.set_attr(purpose="test")
    return model


def lightgbm() -> boost.Booster:
    """Return a model read from LightGBM's text."""
    return boost.Booster(model_file=HERE.parent / "models" / "lightgbm-categories.txt")


def calibrated() -> Any:
    """Return an estimator of intervals."""
    inner = boost.BoostRegressor(n_estimators=3, max_depth=2)
    return boost.BoostIntervalRegressor(inner, coverage=0.8, random_state=0).fit(X, Y)


def small(kind: str, **params: Any) -> Any:
    """Return an estimator that is not fitted."""
    return getattr(boost, kind)(n_estimators=3, max_depth=2, random_state=1, **params)


def with_callbacks() -> Any:
    """Return a fitted estimator that carries its callbacks."""
    callbacks = [
        boost.callback.LearningRateScheduler(functools.partial(pow, 0.5)),
        boost.callback.EarlyStopping(rounds=2),
        boost.callback.EvaluationMonitor(period=2),
    ]
    return small("BoostRegressor", callbacks=callbacks).fit(X, Y, eval_set=[(X, Y)], verbose=False)


# What is pickled, and the rows that it predicts; None for what does not predict.
MAKERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "booster": (lambda: booster({}, X, Y), X),
    "booster-watched": (watched, X),
    "booster-classes": (lambda: booster(MULTI, X, CLASS), X),
    "booster-dart": (lambda: booster({"booster": "dart", "rate_drop": 0.5}, X, Y), X),
    "booster-categories": (lambda: booster({"max_cat_to_onehot": 2}, FRAME, Y), FRAME),
    "booster-outputs": (lambda: booster({}, X, TWO), X),
    "booster-vectors": (lambda: booster({"multi_strategy": "multi_output_tree"}, X, TWO), X),
    "booster-forest": (lambda: booster({"num_parallel_tree": 2, "subsample": 0.5}, X, Y), X),
    "booster-ranking": (
        lambda: booster({"objective": "rank:ndcg", "lambdarank_unbiased": True}, X, CLASS, GROUPS),
        X,
    ),
    "booster-quantiles": (
        lambda: booster({"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, X, Y),
        X,
    ),
    "booster-lightgbm": (lightgbm, None),
    "booster-empty": (lambda: boost.Booster({"max_depth": 2, "eta": 0.5}), None),
    "regressor": (lambda: small("BoostRegressor").fit(X, Y), X),
    "regressor-callbacks": (with_callbacks, X),
    "regressor-unfitted": (lambda: small("XGBRegressor", missing=-1.0), None),
    "classifier": (lambda: small("BoostClassifier").fit(X, np.array(["low", "mid", "top"])[CLASS]), X),
    "ranker": (lambda: small("BoostRanker").fit(X, CLASS, group=GROUPS), X),
    "xgb-ranker": (lambda: small("XGBRanker").fit(X, CLASS, group=GROUPS), X),
    "forest-regressor": (lambda: small("BoostForestRegressor").fit(X, Y), X),
    "forest-classifier": (lambda: small("XGBRFClassifier").fit(X, CLASS > 1), X),
    "interval-regressor": (calibrated, X),
    "uncertainty": (lambda: booster({}, X, Y, rounds=4).predict_uncertainty(X[:3], members=2), None),
    "table": (
        lambda: boost.DMatrix(X[:9], Y[:9], weight=np.arange(1.0, 10.0), feature_names=["a", "b", "c"]),
        None,
    ),
    "table-sparse": (lambda: boost.DMatrix(sparse.csr_matrix(np.nan_to_num(X[:9])), Y[:9]), None),
    "table-quantile": (lambda: boost.QuantileDMatrix(X[:9], Y[:9]), None),
}


def main(names: list[str]) -> None:
    """Add pickles."""
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    for name in names:
        if name in expected:
            raise SystemExit(f"{name} is there, and is kept as it is")
        make, rows = MAKERS[name]
        made = make()
        (HERE / f"{name}.pickle").write_bytes(pickle.dumps(made, protocol=4))
        expected[name] = None if rows is None else np.asarray(made.predict(rows[:SHOWN])).tolist()
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(expected.items())]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
