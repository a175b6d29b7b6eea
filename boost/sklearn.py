"""scikit-learn estimators. Their constructor parameters come from the table in `boost.params`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from boost.booster import Booster
from boost.data import DMatrix
from boost.frame import is_frame
from boost.objective import LabelError
from boost.params import TABLE, describe, estimator_signature
from boost.training import train

OWN = {"n_estimators": 100, "early_stopping_rounds": None, "callbacks": None, "missing": np.nan}
# What makes a random forest of one round; see `BoostForestRegressor`.
FOREST = {"learning_rate": 1.0, "subsample": 0.8, "colsample_bynode": 0.8, "reg_lambda": 1e-5}
_PARAMETERS = """Parameters
----------
n_estimators : int, default 100
    Number of boosting rounds; for a random forest, of its trees.
early_stopping_rounds : int, optional
    See `boost.train`; needs `eval_set` in `fit`.
callbacks : list of boost.callback.TrainingCallback, optional
missing : float, default nan
    A number that means "missing" besides NaN.
"""
_FUNCTIONS = """
    The objective may be a function that returns gradients and hessians from labels and margins, and
    eval_metric one that returns a number, the less the better, from labels and predictions.
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
        table = describe("estimator", changed)
        kind.__doc__ = f"{kind.__doc__}\n{_FUNCTIONS}\n{_PARAMETERS}{table}\n{_ATTRIBUTES}"
        return kind

    return finish


def _by_label(function: Callable[[Any, Any], Any]) -> Callable[[Any, DMatrix], Any]:
    """Return scikit-learn's order of arguments, labels and predictions, as that of `train`."""
    return lambda prediction, data: function(data.label, prediction)


def _named_metric(function: Callable[[Any, Any], float]) -> Callable[[Any, DMatrix], tuple[str, float]]:
    return lambda prediction, data: (function.__name__, float(function(data.label, prediction)))


class _BoostEstimator(BaseEstimator):
    """What the estimators share."""

    booster_: Booster

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _train_params(self) -> dict[str, Any]:
        params = {p.name: getattr(self, p.estimator) for p in TABLE if p.estimator is not None}
        # A function is an argument of `train`, not a parameter.
        return {name: value for name, value in params.items() if not callable(value)}

    def _num_rounds(self) -> Any:
        return self.n_estimators

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
        evals: Sequence[DMatrix],
        verbose: bool | int,
        xgb_model: Any,
        **extra: Any,
    ) -> Any:
        table = DMatrix(X, label, weight=sample_weight, missing=self.missing, **extra)
        if isinstance(xgb_model, _BoostEstimator):
            xgb_model = xgb_model.booster_
        result: dict[str, dict[str, list[float]]] = {}
        self.booster_ = train(
            {**self._train_params(), **params},
            table,
            self._num_rounds(),
            evals=[(e, f"validation_{i}") for i, e in enumerate(evals)],
            obj=_by_label(self.objective) if callable(self.objective) else None,
            custom_metric=_named_metric(self.eval_metric) if callable(self.eval_metric) else None,
            evals_result=result,
            verbose_eval=verbose,
            early_stopping_rounds=self.early_stopping_rounds,
            callbacks=self.callbacks,
            xgb_model=xgb_model,
        )
        if evals:
            self.evals_result_ = result
        if self.booster_.best_iteration is not None:
            self.best_iteration_ = self.booster_.best_iteration
        return self

    def _eval_table(self, X: Any, label: ArrayLike, **extra: Any) -> DMatrix:
        return DMatrix(self._check_table(X, reset=False), label, missing=self.missing, **extra)

    def _predict(self, X: Any, **options: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "booster_")
        return self.booster_.inplace_predict(
            self._check_table(X, reset=False), missing=self.missing, **options
        )

    def get_booster(self) -> Booster:
        """Return the trained model."""
        check_is_fitted(self, "booster_")
        return self.booster_

    def evals_result(self) -> dict[str, dict[str, list[float]]]:
        """Return the metrics of each round; see `evals_result_`."""
        check_is_fitted(self, "evals_result_")
        return self.evals_result_

    @property
    def best_iteration(self) -> int:
        """The best round of a training with early stopping."""
        check_is_fitted(self, "best_iteration_")
        return self.best_iteration_

    def apply(self, X: Any, iteration_range: tuple[int, int] = (0, 0)) -> NDArray[np.int32]:
        """Return the leaf of each row in each tree; int32, shape (rows, trees)."""
        check_is_fitted(self, "booster_")
        table = DMatrix(self._check_table(X, reset=False), missing=self.missing)
        return self.booster_.predict(table, pred_leaf=True, iteration_range=iteration_range)

    def save_model(self, path: Any) -> None:
        """Write the model as XGBoost's JSON, see `Booster.save_model`."""
        self.get_booster().save_model(path)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Share of each feature in the sum of the mean gains of its splits."""
        booster = self.get_booster()
        gain = booster.forest.importance("gain", booster.num_features())
        total = gain.sum()
        return gain / total if total > 0 else gain


class _Forest:
    """One round of many trees, in place of many rounds; put before an estimator."""

    def _train_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super()._train_params()  # type: ignore[misc]
        return {**params, "num_parallel_tree": self.n_estimators}  # type: ignore[attr-defined]

    def _num_rounds(self) -> int:
        return 1


@_estimator()
class BoostRegressor(RegressorMixin, _BoostEstimator):
    """Gradient-boosted trees for regression."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

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
        y : array_like of shape (rows,) or (rows, outputs)
        sample_weight : array_like of shape (rows,), optional
        base_margin : array_like of shape (rows,) or (rows, outputs), optional
        eval_set : sequence of (X, y), optional
        verbose : bool or int
            Print the metrics of every round, or of every n-th.
        xgb_model : Booster, path or fitted estimator, optional
            A model to go on from.
        """
        X = self._check_table(X, reset=True)
        y = _check_y(y, X)
        evals = [self._eval_table(x, label) for x, label in eval_set or ()]
        return self._fit(X, y, {}, sample_weight, evals, verbose, xgb_model, base_margin=base_margin)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions; float64, shape (rows,) or (rows, outputs)."""
        return self._predict(X)


@_estimator(objective="binary:logistic")
class BoostClassifier(ClassifierMixin, _BoostEstimator):
    """Gradient-boosted trees for classification, with labels of any type.

    With more than two classes, the objective is multi:softprob. Labels of several columns of 0 and 1 make a
    model of several outputs, each of which says yes or no.
    """

    classes_: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

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
        params: dict[str, Any] = {}
        self._several = type_of_target(labels) == "multilabel-indicator"
        if self._several:
            # As scikit-learn has it: the labels are the numbers of the columns.
            self.classes_ = np.arange(labels.shape[1])
            codes = labels
        elif labels.ndim == 2:
            raise LabelError("labels of several columns must be 0 and 1, each column saying yes or no")
        else:
            self.classes_, codes = np.unique(labels, return_inverse=True)
            if self.classes_.size < 2:
                only = self.classes_.tolist()[0]
                raise LabelError(f"{type(self).__name__} needs at least two classes, got one class: {only!r}")
            if self.classes_.size > 2:
                params = {"num_class": int(self.classes_.size)}
                if self.objective not in ("multi:softprob", "multi:softmax"):
                    params["objective"] = "multi:softprob"
        evals = [self._eval_table(x, self._codes(label)) for x, label in eval_set or ()]
        return self._fit(X, codes, params, sample_weight, evals, verbose, xgb_model, base_margin=base_margin)

    def _codes(self, y: ArrayLike) -> NDArray:
        labels = np.asarray(y)
        if self._several:
            return labels
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise LabelError(f"eval_set holds the label {labels[unknown].tolist()[0]!r}, which y does not")
        return np.searchsorted(self.classes_, labels)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of `classes_`; float64, shape (rows, classes).

        For several columns of labels: of a yes in each of them, shape (rows, columns).
        """
        margin = self._predict(X, predict_type="margin", strict_shape=True)
        p = self.booster_.objective.transform(margin)
        return np.column_stack((1.0 - p, p)) if p.shape[1] == 1 else p

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the margins; float64, shape (rows,), or (rows, outputs) for more than one."""
        return self._predict(X, predict_type="margin")

    def predict(self, X: Any) -> NDArray:
        """Return the likeliest classes; shape (rows,), or zeros and ones of shape (rows, columns)."""
        p = self.predict_proba(X)
        return (p > 0.5).astype(np.int64) if self._several else self.classes_[p.argmax(axis=1)]


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
        group_weight: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, ArrayLike]] | None = None,
        eval_group: Sequence[ArrayLike] | None = None,
        eval_qid: Sequence[ArrayLike] | None = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> BoostRanker:
        """Train; see `BoostRegressor.fit`, and `DMatrix` for `group` and `qid`; without, all is one group.

        ``group_weight`` has an entry for each group; ``eval_group`` or ``eval_qid`` has one for each pair of
        ``eval_set``.
        """
        X = self._check_table(X, reset=True)
        y = _check_y(y, X)
        pairs = list(eval_set or ())
        groups: dict[str, list[Any]] = {}
        for name, given in (("group", eval_group), ("qid", eval_qid)):
            groups[name] = [None] * len(pairs) if given is None else list(given)
            if len(groups[name]) != len(pairs):
                raise ValueError(
                    f"eval_{name} has {len(groups[name])} entries for {len(pairs)} pairs in eval_set"
                )
        evals = [
            self._eval_table(x, label, group=g, qid=q)
            for (x, label), g, q in zip(pairs, groups["group"], groups["qid"], strict=True)
        ]
        return self._fit(X, y, {}, group_weight, evals, verbose, xgb_model, group=group, qid=qid)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the scores; float64, shape (rows,); they compare within one group only."""
        return self._predict(X)


@_estimator(**FOREST)
class BoostForestRegressor(_Forest, BoostRegressor):
    """A random forest for regression: one round of trees on samples of the rows and of the features."""


@_estimator(**FOREST, objective="binary:logistic")
class BoostForestClassifier(_Forest, BoostClassifier):
    """A random forest for classification; see `BoostForestRegressor`."""


XGBRegressor = BoostRegressor
XGBClassifier = BoostClassifier
XGBRFRegressor = BoostForestRegressor
XGBRFClassifier = BoostForestClassifier


class XGBRanker(BoostRanker):
    """`BoostRanker` with XGBoost's name for the weights of groups, which weigh no samples."""

    def fit(self, X: Any, y: ArrayLike, *, sample_weight: ArrayLike | None = None, **options: Any) -> Any:
        """Train; see `BoostRanker.fit`."""
        return super().fit(X, y, group_weight=sample_weight, **options)


def _check_y(y: Any, X: Any, numeric: bool = True) -> NDArray:
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    given = np.asarray(y)
    if given.ndim == 2 and given.shape[1] > 1:
        labels = check_array(given, dtype="numeric" if numeric else None, ensure_min_samples=0)
    else:
        labels = column_or_1d(y, warn=True)
    if numeric and labels.dtype.kind == "O":
        labels = labels.astype(np.float64)
    if labels.shape[0] != X.shape[0]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[X.shape[0], len(labels)]}"
        )
    return labels
