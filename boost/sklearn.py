"""scikit-learn estimators. Their constructor parameters come from the table in `boost.params`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from boost.booster import Booster, train
from boost.data import DMatrix
from boost.frame import is_frame
from boost.objective import LabelError
from boost.params import TABLE, describe, estimator_signature

OWN = {"n_estimators": 100, "early_stopping_rounds": None, "missing": np.nan}
_PARAMETERS = """Parameters
----------
n_estimators : int, default 100
    Number of boosting rounds.
early_stopping_rounds : int, optional
    See `boost.train`; needs `eval_set` in `fit`.
missing : float, default nan
    A number that means "missing" besides NaN.
"""
_ATTRIBUTES = """
Attributes
----------
booster_ : Booster
n_features_in_ : int
feature_names_in_ : array of str
    When fitted on a frame.
feature_importances_ : float64 array of shape (features,)
    Share of each feature in the sum of the mean gains of its splits.
evals_result_ : dict
    The metrics of each round, when fitted with `eval_set`.
best_iteration_ : int
    When fitted with early stopping.
"""


def _estimator(**changed: Any) -> Any:
    """Give a class the table's parameters as its signature and documentation."""

    def finish(kind: type) -> type:
        signature = estimator_signature(OWN, changed)

        def __init__(self: Any, **params: Any) -> None:
            bound = signature.bind(self, **params)
            bound.apply_defaults()
            for name, value in list(bound.arguments.items())[1:]:
                setattr(self, name, value)

        __init__.__signature__ = signature  # type: ignore[attr-defined]
        __init__.__qualname__ = f"{kind.__name__}.__init__"
        kind.__init__ = __init__  # type: ignore[misc]
        kind.__doc__ = f"{kind.__doc__}\n\n{_PARAMETERS}{describe('estimator', changed)}\n{_ATTRIBUTES}"
        return kind

    return finish


class _BoostEstimator(BaseEstimator):
    """What the three estimators share."""

    booster_: Booster

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _train_params(self) -> dict[str, Any]:
        return {p.name: getattr(self, p.estimator) for p in TABLE if p.estimator is not None}

    def _check_table(self, X: Any, reset: bool) -> Any:
        """Return X checked as scikit-learn wants it; frames keep their columns for `DMatrix` to encode."""
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=np.float32,
            ensure_all_finite="allow-nan",
        )

    def _fit(
        self,
        X: Any,
        label: NDArray,
        params: dict[str, Any],
        sample_weight: ArrayLike | None,
        eval_set: Sequence[tuple[Any, NDArray]] | None,
        verbose: bool | int,
        xgb_model: Any,
        **extra: Any,
    ) -> Any:
        missing = self.missing
        table = DMatrix(X, label, weight=sample_weight, missing=missing, **extra)
        evals = [
            (DMatrix(self._check_table(x, reset=False), y, missing=missing), f"validation_{i}")
            for i, (x, y) in enumerate(eval_set or ())
        ]
        if isinstance(xgb_model, _BoostEstimator):
            xgb_model = xgb_model.booster_
        result: dict[str, dict[str, list[float]]] = {}
        self.booster_ = train(
            {**self._train_params(), **params},
            table,
            self.n_estimators,
            evals=evals,
            evals_result=result,
            verbose_eval=verbose,
            early_stopping_rounds=self.early_stopping_rounds,
            xgb_model=xgb_model,
        )
        if evals:
            self.evals_result_ = result
        if self.booster_.best_iteration is not None:
            self.best_iteration_ = self.booster_.best_iteration
        return self

    def _predict(self, X: Any, **options: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "booster_")
        table = DMatrix(self._check_table(X, reset=False), missing=self.missing)
        if self.booster_.categories and not is_frame(X):
            return self.booster_.predict(table.dense_rows(0, table.num_row()), **options)
        return self.booster_.predict(table, **options)

    def get_booster(self) -> Booster:
        """Return the trained model."""
        check_is_fitted(self, "booster_")
        return self.booster_

    def save_model(self, path: Any) -> None:
        """Write the model as XGBoost's JSON, see `Booster.save_model`."""
        self.get_booster().save_model(path)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Share of each feature in the sum of the mean gains of its splits."""
        booster = self.get_booster()
        gain = booster.forest.importance("gain", booster.num_features)
        total = gain.sum()
        return gain / total if total > 0 else gain


@_estimator()
class BoostRegressor(RegressorMixin, _BoostEstimator):
    """Gradient-boosted trees for regression."""

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        base_margin: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, ArrayLike]] | None = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> BoostRegressor:
        """Train.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        y : array_like of shape (rows,)
        sample_weight : array_like of shape (rows,), optional
        base_margin : array_like of shape (rows,), optional
        eval_set : sequence of (X, y), optional
        verbose : bool or int
        xgb_model : Booster, path or fitted estimator, optional
            A model to go on from.
        """
        X = self._check_table(X, reset=True)
        y = _check_y(y, X)
        evals = [(x, np.asarray(label)) for x, label in eval_set or ()]
        return self._fit(X, y, {}, sample_weight, evals, verbose, xgb_model, base_margin=base_margin)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions; float64, shape (rows,)."""
        return self._predict(X)


@_estimator(objective="binary:logistic")
class BoostClassifier(ClassifierMixin, _BoostEstimator):
    """Gradient-boosted trees for classification, with labels of any type.

    With more than two classes, the objective is multi:softprob.
    """

    classes_: NDArray

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        base_margin: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, ArrayLike]] | None = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> BoostClassifier:
        """Train; see `BoostRegressor.fit`."""
        X = self._check_table(X, reset=True)
        labels = _check_y(y, X, numeric=False)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if self.classes_.size < 2:
            only = self.classes_.tolist()[0]
            raise LabelError(f"BoostClassifier needs at least two classes, got one class: {only!r}")
        evals = [(x, self._codes(label)) for x, label in eval_set or ()]
        params: dict[str, Any] = {}
        if self.classes_.size > 2:
            params = {"objective": "multi:softprob", "num_class": int(self.classes_.size)}
        return self._fit(X, codes, params, sample_weight, evals, verbose, xgb_model, base_margin=base_margin)

    def _codes(self, y: ArrayLike) -> NDArray[np.int64]:
        labels = np.asarray(y)
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise LabelError(f"eval_set holds the label {labels[unknown].tolist()[0]!r}, which y does not")
        return np.searchsorted(self.classes_, labels)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of `classes_`; float64, shape (rows, classes)."""
        p = self._predict(X)
        return np.column_stack((1.0 - p, p)) if p.ndim == 1 else p

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the margins; float64, shape (rows,), or (rows, classes) with more than two classes."""
        return self._predict(X, output_margin=True)

    def predict(self, X: Any) -> NDArray:
        """Return the likeliest classes; shape (rows,)."""
        likeliest = self.predict_proba(X).argmax(axis=1)  # first: it checks that the model is fitted
        return self.classes_[likeliest]


@_estimator(objective="rank:pairwise")
class BoostRanker(_BoostEstimator):
    """Gradient-boosted trees that rank the rows of a group; larger labels rank higher."""

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> BoostRanker:
        """Train; see `BoostRegressor.fit`, and `DMatrix` for `group` and `qid`; without, all is one group.

        ``sample_weight`` may have one entry for each group.
        """
        X = self._check_table(X, reset=True)
        y = _check_y(y, X)
        return self._fit(X, y, {}, sample_weight, None, verbose, xgb_model, group=group, qid=qid)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the scores; float64, shape (rows,); they compare within one group only."""
        return self._predict(X)


def _check_y(y: Any, X: Any, numeric: bool = True) -> NDArray:
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    if numeric and labels.dtype.kind == "O":
        labels = labels.astype(np.float64)
    if labels.shape[0] != X.shape[0]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[X.shape[0], len(labels)]}"
        )
    return labels
