"""`XGBRegressor` and `XGBClassifier` with the names of scikit-learn's HistGradientBoosting estimators."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

import boost
from boost.callback import EarlyStopping

LOSSES = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "gamma": "reg:gamma",
    "poisson": "count:poisson",
    "quantile": "reg:quantileerror",
    "log_loss": "binary:logistic",
}
# There is no smallest number of rows of a leaf here: a smallest sum of hessians takes its place. The hessian
# of a row is about 1 in a regression, and p (1 - p) in a classification.
HESSIAN = {"log_loss": 0.02}
# `early_stopping="auto"` stops early above this number of rows.
MANY_ROWS = 10_000


class Tree:
    """A tree, as tests look at it."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        listed = root.get("split_condition")
        if isinstance(listed, list):
            # The categories that are listed go to the right.
            self.raw_left_cat_bitsets = [_bits(sorted(set(range(max(listed) + 1)) - set(listed)))]
        self.nodes = _table(root)

    def get_max_depth(self) -> int:
        return _depth(self._root)

    def get_n_leaf_nodes(self) -> int:
        return int((self.nodes["left"] == 0).sum())


def _bits(categories: list[int]) -> np.ndarray:
    """Return a set of categories below 256 as bits."""
    bits = np.zeros(8, dtype=np.uint32)
    for c in categories:
        bits[c // 32] |= 1 << c % 32
    return bits


def _depth(node: dict[str, Any]) -> int:
    return 1 + max(map(_depth, node["children"])) if "children" in node else 0


def _table(root: dict[str, Any]) -> np.ndarray:
    """Return a row for each node: feature, threshold, left child (0 for a leaf) and value."""
    rows, pending = [], [root]
    while pending:
        node = pending.pop()
        pending += node.get("children", [])
        condition = node.get("split_condition", 0.0)
        threshold = float(np.sum(condition)) if isinstance(condition, list) else condition
        rows.append((str(node.get("split", "")), threshold, node.get("yes", 0), node.get("leaf", 0.0)))
    return np.array(rows, dtype=[("feature", "U20"), ("threshold", "f8"), ("left", "i8"), ("value", "f8")])


def _kinds(X: Any, columns: int) -> list[Any]:
    """Return the types of the columns of a frame; those of an array are no types of categories."""
    return list(X.dtypes) if hasattr(X, "columns") else [None] * columns


class HistGradientBoosting(BaseEstimator):
    """What the two estimators share: parameters by scikit-learn's names, and the fitted model in `model_`."""

    # The limit of a step, which scikit-learn and LightGBM do not have; None is XGBoost's default.
    largest_step: float | None = None

    def __init__(
        self,
        *,
        loss: Any = None,
        quantile: float | None = None,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_features: float = 1.0,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: Any = "auto",
        scoring: Any = "loss",
        validation_fraction: float | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        verbose: int = 0,
        random_state: Any = None,
        class_weight: Any = None,
    ) -> None:
        for name, value in locals().items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _options(self) -> dict[str, Any]:
        loss = self.loss or self.default_loss
        return {
            "objective": LOSSES[loss],
            "quantile_alpha": self.quantile,
            "learning_rate": self.learning_rate,
            "n_estimators": self.max_iter,
            "max_leaves": self.max_leaf_nodes or 0,
            "max_depth": self.max_depth or 0,
            "grow_policy": "lossguide",
            "min_child_weight": self.min_samples_leaf * HESSIAN.get(loss, 1.0),
            "reg_lambda": self.l2_regularization,
            "colsample_bynode": self.max_features,
            "max_delta_step": self.largest_step,
            "max_bin": self.max_bins,
            "monotone_constraints": self.monotonic_cst,
            "interaction_constraints": self._interactions(),
            "warm_start": self.warm_start,
            "random_state": self.random_state,
        }

    def _interactions(self) -> Any:
        given, every = self.interaction_cst, range(self.n_features_in_)
        if isinstance(given, str):
            sets = [{i, j} for i in every for j in every if i < j or given == "no_interactions" and i == j]
            return [s for s in sets if len(s) == (1 if given == "no_interactions" else 2)]
        return given if given is None else [*given, set(every).difference(*given)]

    def _mark(self, X: Any) -> np.ndarray | None:
        """Return which columns are categorical; None when none is."""
        given, columns = self.categorical_features, np.shape(X)[1]
        marked = np.zeros(columns, dtype=bool)
        names = list(getattr(X, "columns", range(columns)))
        if isinstance(given, str):
            marked[: len(names)] = [str(kind).lower().startswith("categor") for kind in _kinds(X, columns)]
        elif given is not None and len(given):
            given = np.asarray(given)
            marked[[names.index(n) for n in given] if given.dtype.kind in "UO" else given] = True
        return marked if marked.any() else None

    def _table(self, X: Any) -> Any:
        """Return a table of numbers and categories; negative numbers in categorical columns are missing."""
        if hasattr(X, "columns"):
            kinds = zip(X.columns, _kinds(X, X.shape[1]), strict=True)
            numbers = [name for name, kind in kinds if str(kind).lower() in ("str", "string", "object")]
            if isinstance(X, pd.DataFrame):
                return X.astype(dict.fromkeys(numbers, float))
            return X.cast(dict.fromkeys(numbers, float))
        if self.is_categorical_ is None:
            return X
        X = np.array(X, dtype=np.float64)
        X[self.is_categorical_ & (X < 0)] = np.nan
        return X

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        if not hasattr(X, "shape"):
            X = np.asarray(X)
        self.n_features_in_, self.is_categorical_ = X.shape[1], self._mark(X)
        options = self._options()
        if self.is_categorical_ is not None and not isinstance(self.categorical_features, str):
            options["feature_types"] = ["c" if marked else "q" for marked in self.is_categorical_]
        stops = len(X) > MANY_ROWS if self.early_stopping == "auto" else self.early_stopping
        X, evals = self._table(X), {}
        if stops:
            options["callbacks"] = [EarlyStopping(rounds=self.n_iter_no_change, min_delta=self.tol)]
            if X_val is not None:
                evals = {"eval_set": [(self._table(X_val), y_val)]}
                evals["sample_weight_eval_set"] = [sample_weight_val]
            elif self.validation_fraction is None:
                evals = {"eval_set": [(X, y)]}
            else:
                options["validation_fraction"] = self.validation_fraction
        if self.warm_start and hasattr(self, "model_"):
            self.model_.set_params(**options)
        else:
            self.model_ = self.kind(**options)
        self.model_.fit(X, y, sample_weight=sample_weight, **evals)
        result = getattr(self.model_, "evals_result_", {}) if stops else {}
        scores = [np.array(values) for metrics in result.values() for values in metrics.values()]
        self.train_score_ = self.validation_score_ = scores[0] if scores else np.empty(0)
        self.n_iter_ = self.model_.get_booster().num_boosted_rounds()
        return self

    @property
    def _predictors(self) -> list[list[Tree]]:
        trees = self.model_.get_booster().get_dump(dump_format="json")
        each = len(trees) // self.n_iter_
        return [[Tree(json.loads(t)) for t in trees[i : i + each]] for i in range(0, len(trees), each)]

    @property
    def _preprocessor(self) -> Any:
        categories = [np.array(values) for values in self.model_.get_booster().categories.values()]
        return SimpleNamespace(named_transformers_={"encoder": SimpleNamespace(categories_=categories)})

    def _raw_predict(self, X: Any) -> np.ndarray:
        return self.model_.predict(self._table(X), output_margin=True)

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.model_.predict(self._table(X))

    def staged_predict(self, X: Any) -> Any:
        check_is_fitted(self)
        yield from self.model_.staged_predict(self._table(X))


class HistGradientBoostingRegressor(RegressorMixin, HistGradientBoosting):
    kind, default_loss = boost.XGBRegressor, "squared_error"


class HistGradientBoostingClassifier(ClassifierMixin, HistGradientBoosting):
    kind, default_loss = boost.XGBClassifier, "log_loss"

    def fit(self, X: Any, y: Any, *args: Any, **columns: Any) -> Any:
        self._several = len(np.unique(y)) > 2
        return super().fit(X, y, *args, **columns)

    def _options(self) -> dict[str, Any]:
        options = {**super()._options(), "class_weight": self.class_weight}
        if (
            self._several
        ):  # the hessian here, as in XGBoost, is twice that of scikit-learn: steps are half as long
            options["learning_rate"] *= 2
            options["min_child_weight"] *= 2
        return options

    @property
    def classes_(self) -> np.ndarray:
        return self.model_.classes_

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.model_.predict_proba(self._table(X))

    def decision_function(self, X: Any) -> np.ndarray:
        return self.model_.decision_function(self._table(X))

    def staged_predict_proba(self, X: Any) -> Any:
        yield from self.model_.staged_predict_proba(self._table(X))

    def staged_decision_function(self, X: Any) -> Any:
        for margin in self.model_.get_booster().staged_margins(self._table(X)):
            yield margin[:, 0].copy() if margin.shape[1] == 1 else margin.copy()
