"""The libraries that are compared, with settings that make them do the same work.

Depth, rounds, learning rate, threads, lambda 1 and the smallest hessian of a child are the same for all.
LightGBM, which grows by leaves, may have as many leaves as a tree of that depth has, and its minimum of rows
in a leaf is 1; it builds histograms row by row for dense tables and column by column for sparse ones, which
was never slower here than its automatic choice. CatBoost's trees are symmetric by default, and then it is
fastest; with ``Depthwise`` it does the work of the others. A fit includes making the library's table.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.trees.datasets import Problem

BINS = 255
ESPALIER = "espalier"
# The most categories that scikit-learn takes.
MAX_CATEGORIES = 255

Predict = Callable[[Any], Any]


@dataclass(frozen=True)
class Settings:
    """Settings of a fit that all libraries share."""

    depth: int
    rounds: int
    threads: int = 2
    rate: float = 0.1
    min_child_weight: float = 1.0


@dataclass(frozen=True)
class Library:
    """One way to fit.

    Attributes
    ----------
    package : str
        The package that must be installed.
    fit : callable
        From a problem (with X prepared by `prepare`) and settings to a function from X to predicted scores.
    takes : callable
        Whether it can fit such a problem.
    prepare : callable
        Converts X to the form that this library takes; not timed.
    """

    package: str
    fit: Callable[[Problem, Settings], Predict]
    takes: Callable[[Problem], bool] = lambda problem: True
    prepare: Callable[[Any], Any] = lambda X: X

    @property
    def installed(self) -> bool:
        """Whether the package is installed."""
        return importlib.util.find_spec(self.package) is not None

    def ready(self, problem: Problem) -> Problem:
        """The problem with X in the form that this library takes."""
        return Problem(
            problem.task, self.prepare(problem.X), problem.y, self.prepare(problem.X_held), problem.y_held
        )


def choose(names: list[str] | None, problem: Problem) -> dict[str, Library]:
    """The libraries that are installed and can fit a problem, all of them or those of these names."""
    return {
        name: library
        for name, library in LIBRARIES.items()
        if (not names or name in names) and library.installed and library.takes(problem)
    }


def _is_frame(problem: Problem) -> bool:
    return hasattr(problem.X, "columns")


def _is_sparse(problem: Problem) -> bool:
    return hasattr(problem.X, "tocsr")


def _xgboost_params(problem: Problem, settings: Settings) -> dict[str, Any]:
    """Parameters of XGBoost and of Espalier."""
    objective = {"binary": "binary:logistic", "regression": "reg:squarederror", "rank": "rank:pairwise"}
    return {
        "objective": objective[problem.task],
        "tree_method": "hist",
        "max_depth": settings.depth,
        "learning_rate": settings.rate,
        "min_child_weight": settings.min_child_weight,
        "max_bin": BINS,
        "nthread": settings.threads,
        "verbosity": 0,
    }


def _groups(problem: Problem) -> list[int] | None:
    return [len(problem.y)] if problem.task == "rank" else None


def _espalier(problem: Problem, settings: Settings) -> Predict:
    import boost

    table = boost.DMatrix(problem.X, label=problem.y, group=_groups(problem))
    model = boost.train(_xgboost_params(problem, settings), table, settings.rounds)
    return lambda X: model.predict(boost.DMatrix(X))


def _xgboost(problem: Problem, settings: Settings, table: str = "DMatrix") -> Predict:
    import xgboost

    options: dict[str, Any] = {"nthread": settings.threads, "enable_categorical": _is_frame(problem)}
    if table == "QuantileDMatrix":
        options["max_bin"] = BINS
    made = getattr(xgboost, table)(problem.X, label=problem.y, group=_groups(problem), **options)
    model = xgboost.train(_xgboost_params(problem, settings), made, settings.rounds)
    return lambda X: model.predict(xgboost.DMatrix(X, enable_categorical=_is_frame(problem)))


def _quantile_dmatrix(problem: Problem, settings: Settings) -> Predict:
    return _xgboost(problem, settings, "QuantileDMatrix")


def _lightgbm(problem: Problem, settings: Settings) -> Predict:
    import lightgbm

    params: dict[str, Any] = {
        "objective": {"binary": "binary", "regression": "regression", "rank": "lambdarank"}[problem.task],
        "max_depth": settings.depth,
        "num_leaves": 2**settings.depth,
        "learning_rate": settings.rate,
        "min_sum_hessian_in_leaf": settings.min_child_weight,
        "min_data_in_leaf": 1,
        "feature_pre_filter": False,
        "lambda_l2": 1.0,
        "max_bin": BINS,
        "num_threads": settings.threads,
        "force_col_wise" if _is_sparse(problem) else "force_row_wise": True,
        "verbose": -1,
    }
    if problem.task == "rank":
        params["label_gain"] = list(range(31))  # the gain of rank:pairwise does not double with each level
        params["min_sum_hessian_in_leaf"] = 1e-3  # lambdarank's hessians are small: with 1 no tree grows
    table = lightgbm.Dataset(problem.X, problem.y, group=_groups(problem), params=params)
    return lightgbm.train(params, table, settings.rounds).predict


def _catboost(problem: Problem, settings: Settings, policy: str = "SymmetricTree") -> Predict:
    import catboost

    categories = [name for name in problem.X if problem.X[name].dtype == object]
    params = {
        "loss_function": "Logloss",
        "depth": settings.depth,
        "iterations": settings.rounds,
        "learning_rate": settings.rate,
        "l2_leaf_reg": 1.0,
        "grow_policy": policy,
        "thread_count": settings.threads,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }
    model = catboost.train(catboost.Pool(problem.X, problem.y, cat_features=categories), params)
    return lambda X: model.predict(catboost.Pool(X, cat_features=categories))


def _catboost_depthwise(problem: Problem, settings: Settings) -> Predict:
    return _catboost(problem, settings, "Depthwise")


def _for_catboost(X: Any) -> Any:
    """Replace missing categories by a name, as CatBoost requires."""
    named = X.copy()
    for name in named:
        if str(named[name].dtype) == "category":
            column = named[name].astype(object)
            named[name] = column.where(column.notna(), "missing")
    return named


def _sklearn(problem: Problem, settings: Settings) -> Predict:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    binary = problem.task == "binary"
    kind = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
    model = kind(
        max_iter=settings.rounds,
        max_depth=settings.depth,
        max_leaf_nodes=2**settings.depth,
        learning_rate=settings.rate,
        max_bins=BINS,
        min_samples_leaf=max(1, int(settings.min_child_weight) if not binary else 1),
        l2_regularization=1.0,
        early_stopping=False,
    )
    with threadpool_limits(limits=settings.threads, user_api="openmp"):
        model.fit(problem.X, problem.y)
    return (lambda X: model.predict_proba(X)[:, 1]) if binary else model.predict


def _fit_for_sklearn(problem: Problem) -> bool:
    many = _is_frame(problem) and any(
        len(problem.X[name].cat.categories) > MAX_CATEGORIES
        for name in problem.X
        if str(problem.X[name].dtype) == "category"
    )
    return problem.task != "rank" and not _is_sparse(problem) and not many


# Ours is the first one.
LIBRARIES = {
    ESPALIER: Library("boost", _espalier),
    "xgboost": Library("xgboost", _xgboost),
    "xgboost, QuantileDMatrix": Library("xgboost", _quantile_dmatrix),
    "lightgbm": Library("lightgbm", _lightgbm),
    "catboost": Library("catboost", _catboost, _is_frame, _for_catboost),
    "catboost, depthwise": Library("catboost", _catboost_depthwise, _is_frame, _for_catboost),
    "scikit-learn": Library("sklearn", _sklearn, _fit_for_sklearn),
}
