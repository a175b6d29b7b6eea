"""The libraries at their defaults: estimators that get the task and the categories, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.trees.realtables import RealTable

Floats = NDArray[np.float64]
Predict = Callable[[Any], Floats]
Options = Mapping[str, Any]
# The most categories of a column that scikit-learn takes; larger ones become numbers.
MAX_CATEGORIES = 255


def espalier(table: RealTable, options: Options) -> Predict:
    """Fit ours: a function from a frame to predictions as `realtables.score` takes them."""
    from boost.sklearn import BoostClassifier, BoostRanker, BoostRegressor

    given = {"n_jobs": 1, "verbosity": 0, **options}
    if table.task == "rank":
        ranker = BoostRanker(**given).fit(table.X, table.y, qid=table.group)
        return lambda X: np.asarray(ranker.predict(X))
    if table.task in ("binary", "classes"):
        classifier = BoostClassifier(**given).fit(table.X, table.y)
        binary = table.task == "binary"
        return lambda X: classifier.predict_proba(X)[:, 1] if binary else classifier.predict_proba(X)
    model = BoostRegressor(**_xgboost_loss(table), **given).fit(table.X, table.y)
    return lambda X: np.asarray(model.predict(X, output_margin=table.task == "survival"))


def _xgboost_loss(table: RealTable) -> dict[str, Any]:
    """The objective by XGBoost's names."""
    names = {"regression": "reg:squarederror", "count": "count:poisson", "quantile": "reg:quantileerror"}
    loss: dict[str, Any] = {"objective": names.get(table.task, "survival:cox")}
    return loss | ({"quantile_alpha": table.alpha} if table.task == "quantile" else {})


def xgboost(table: RealTable, options: Options) -> Predict:
    """Fit XGBoost."""
    from xgboost import XGBClassifier, XGBRanker, XGBRegressor

    given = {"n_jobs": 1, "enable_categorical": True, **options}
    if table.task == "rank":
        ranker = XGBRanker(**given).fit(table.X, table.y, qid=table.group)
        return lambda X: np.asarray(ranker.predict(X))
    if table.task in ("binary", "classes"):
        classifier = XGBClassifier(**given).fit(table.X, table.y)
        binary = table.task == "binary"
        return lambda X: classifier.predict_proba(X)[:, 1] if binary else classifier.predict_proba(X)
    model = XGBRegressor(**_xgboost_loss(table), **given).fit(table.X, table.y)
    return lambda X: np.asarray(model.predict(X, output_margin=table.task == "survival"))


def lightgbm(table: RealTable, options: Options) -> Predict:
    """Fit LightGBM, which takes categories by the type of the columns."""
    from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor

    given = {"n_jobs": 1, "verbose": -1, **options}
    names = {name: f"c{i}" for i, name in enumerate(table.X.columns)}  # it refuses some characters
    X = table.X.rename(columns=names)
    if table.task == "rank":
        groups = np.asarray(table.group, dtype=np.int64)
        sizes = np.diff(np.flatnonzero(np.diff(groups, prepend=-1, append=-1)))
        ranker = LGBMRanker(**given).fit(X, table.y, group=sizes)
        return lambda X: np.asarray(ranker.predict(X.rename(columns=names)))
    if table.task in ("binary", "classes"):
        classifier = LGBMClassifier(**given).fit(X, table.y)
        binary = table.task == "binary"

        def predict(X: Any) -> Floats:
            p = np.asarray(classifier.predict_proba(X.rename(columns=names)))
            return p[:, 1] if binary else p

        return predict
    loss: dict[str, Any] = {"count": {"objective": "poisson"}}.get(table.task, {})
    if table.task == "quantile":
        loss = {"objective": "quantile", "alpha": table.alpha}
    model = LGBMRegressor(**loss, **given).fit(X, table.y)
    return lambda X: np.asarray(model.predict(X.rename(columns=names)))


def catboost(table: RealTable, options: Options) -> Predict:
    """Fit CatBoost, which takes categories by name, a missing one as a category of its own."""
    from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor

    named = [name for name in table.X if str(table.X[name].dtype) == "category"]

    def ready(X: Any) -> Any:
        X = X.copy()
        for name in named:
            X[name] = X[name].astype(object).where(X[name].notna(), "missing").astype(str)
        return X

    given = {
        "thread_count": 1,
        "verbose": 0,
        "allow_writing_files": False,
        "cat_features": named,
        **options,
    }
    X = ready(table.X)
    if table.task == "rank":
        ranker = CatBoostRanker(**given).fit(X, table.y, group_id=table.group)
        return lambda X: np.asarray(ranker.predict(ready(X)))
    if table.task in ("binary", "classes"):
        classifier = CatBoostClassifier(**given).fit(X, table.y.astype(int))
        binary = table.task == "binary"

        def predict(X: Any) -> Floats:
            p = np.asarray(classifier.predict_proba(ready(X)))
            return p[:, 1] if binary else p

        return predict
    loss = {"count": "Poisson", "quantile": f"Quantile:alpha={table.alpha}", "survival": "Cox"}
    model = CatBoostRegressor(loss_function=loss.get(table.task, "RMSE"), **given).fit(X, table.y)
    kind = {"count": "Exponent"}.get(table.task, "RawFormulaVal")
    return lambda X: np.asarray(model.predict(ready(X), prediction_type=kind))


def sklearn(table: RealTable, options: Options) -> Predict:
    """Fit scikit-learn's gradient boosting from histograms."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    large = [
        name
        for name in table.X
        if str(table.X[name].dtype) == "category" and len(table.X[name].cat.categories) > MAX_CATEGORIES
    ]

    def ready(X: Any) -> Any:
        X = X.copy()
        for name in large:
            X[name] = X[name].cat.codes.astype(float)
        return X

    if table.task in ("binary", "classes"):
        classifier = HistGradientBoostingClassifier(**options)
        with threadpool_limits(limits=1, user_api="openmp"):
            classifier.fit(ready(table.X), table.y)
        binary = table.task == "binary"
        return lambda X: (
            classifier.predict_proba(ready(X))[:, 1] if binary else classifier.predict_proba(ready(X))
        )
    loss: dict[str, Any] = {"count": {"loss": "poisson"}}.get(table.task, {})
    if table.task == "quantile":
        loss = {"loss": "quantile", "quantile": table.alpha}
    model = HistGradientBoostingRegressor(**loss, **options)
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(ready(table.X), table.y)
    return lambda X: np.asarray(model.predict(ready(X)))


# Package and fit of each; ours is the first.
CONTENDERS: dict[str, tuple[str, Callable[[RealTable, Options], Predict]]] = {
    "espalier": ("boost", espalier),
    "xgboost": ("xgboost", xgboost),
    "lightgbm": ("lightgbm", lightgbm),
    "catboost": ("catboost", catboost),
    "scikit-learn": ("sklearn", sklearn),
}
# Tasks that a library does not have.
UNABLE = {"lightgbm": ("survival",), "scikit-learn": ("survival", "rank")}
