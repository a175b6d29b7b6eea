"""`BoostIntervalRegressor`: prediction intervals of a stated coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import check_is_fitted

from boost.data.dmatrix import DMatrix
from boost.errors import DataError
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
    random_state : int, RandomState or None
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

    def fit(self, X: Any, y: ArrayLike) -> BoostIntervalRegressor:
        """Train on one part of the rows, and calibrate on the rest.

        Raises
        ------
        ValueError
            For a `calibration_size` that leaves one of the parts without rows, or too few to calibrate.
        """
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        label = np.asarray(y)
        if label.shape != (rows,):
            raise DataError(f"y must have one number for each of the {rows} rows, got shape {label.shape}")
        count = round(rows * self.calibration_size)
        if not 0 < count < rows:
            raise DataError(
                f"calibration_size={self.calibration_size} of {rows} rows is {count}: both parts need rows"
            )
        order = check_random_state(self.random_state).permutation(rows)
        aside, kept = np.sort(order[:count]), np.sort(order[count:])
        model = BoostRegressor() if self.estimator is None else clone(self.estimator)
        model.set_params(objective="reg:quantileerror", quantile_alpha=interval_levels(self.coverage))
        self.estimator_ = model.fit(_safe_indexing(X, kept), label[kept])
        best = model.get_booster().model.best_iteration
        if best is not None:  # the intervals, and their file, are those of the rounds that it predicts with
            model.booster_ = model.booster_[: best + 1]
        table = DMatrix(_safe_indexing(X, aside), label[aside], missing=model.missing)
        self.margin_ = model.get_booster().calibrate(table, self.coverage)
        self.n_features_in_ = model.n_features_in_
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the medians; float64, shape (rows,)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict(X))[:, 1]

    def predict_interval(self, X: Any) -> NDArray[np.float64]:
        """Return lower and upper ends; float64, shape (rows, 2)."""
        check_is_fitted(self, "estimator_")
        model = self.estimator_
        return model.get_booster().predict_interval(DMatrix(X, missing=model.missing))
