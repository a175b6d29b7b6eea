"""`BoostIntervalRegressor`: prediction intervals of a stated coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from boost.errors import DataError
from boost.estimator.base import check_table, check_y
from boost.estimator.named import BoostRegressor
from boost.model.interval import interval_levels


class BoostIntervalRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """A regressor with intervals that contain a stated share of new labels.

    The guarantee is that of `boost.model.interval.calibrate`.

    Parameters
    ----------
    estimator : BoostRegressor, optional
        Trains the quantiles; its objective and levels are replaced, other parameters are kept.
    coverage : float
        Least share of new labels that the intervals contain.
    calibration_size : float
        Share of the rows that are held out to calibrate the intervals.
    random_state : int, RandomState, Generator or None
        Draws these rows.

    Attributes
    ----------
    estimator_ : BoostRegressor
        Trained on the other rows; its model saves the intervals with its files.
    margin_ : float
        By how much the calibration moved the outer quantiles.
    n_features_in_, feature_names_in_
        Those of `estimator_`.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        coverage: float = 0.9,
        calibration_size: float = 0.25,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.coverage = coverage
        self.calibration_size = calibration_size
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(BoostRegressor() if self.estimator is None else self.estimator)
        tags.input_tags = inner.input_tags
        return tags

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> BoostIntervalRegressor:
        """Train on one part of the rows, and calibrate on the rest.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        y : array_like of shape (rows,)
        sample_weight : array_like of shape (rows,), optional
            With weights, the intervals contain the stated share of weight.

        Raises
        ------
        ValueError
            For a `calibration_size` that leaves one of the parts without rows, or too few to calibrate.
        """
        X = check_table(self, X, reset=True)
        label, rows = check_y(y, X), X.shape[0]
        if label.ndim > 1:
            raise DataError(f"y must have one number for each of the {rows} rows, got shape {label.shape}")
        count = round(rows * self.calibration_size)
        if not 0 < count < rows:
            raise DataError(
                f"calibration_size={self.calibration_size} of the rows (n_samples={rows}) is {count}: both "
                "parts need rows"
            )
        state = self.random_state
        rng = state if isinstance(state, np.random.Generator) else check_random_state(state)
        order = rng.permutation(rows)
        aside, kept = np.sort(order[:count]), np.sort(order[count:])
        model = BoostRegressor() if self.estimator is None else clone(self.estimator)
        model.set_params(objective="reg:quantileerror", quantile_alpha=interval_levels(self.coverage))
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        part = None if weight is None else weight[kept]
        self.estimator_ = model.fit(_safe_indexing(X, kept), label[kept], sample_weight=part)
        best = model.get_booster().model.best_iteration
        if best is not None:  # the intervals, and their file, are those of the rounds that it predicts with
            model.booster_ = model.booster_[: best + 1]
        part = None if weight is None else weight[aside]
        table = model._derived_table(_safe_indexing(X, aside), label[aside], weight=part)
        self.margin_ = model.get_booster().calibrate(table, self.coverage)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the medians; float64, shape (rows,)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict(X))[:, 1]

    def predict_interval(self, X: Any) -> NDArray[np.float64]:
        """Return lower and upper ends; float64, shape (rows, 2)."""
        check_is_fitted(self, "estimator_")
        model, X = self.estimator_, check_table(self, X, reset=False)
        return model.get_booster().predict_interval(model._derived_table(X))
