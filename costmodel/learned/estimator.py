"""`SklearnCostModel`: a regressor of scikit-learn as the cost model."""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.learned.labels import checked, log_speeds


class SklearnCostModel:
    """A cost model made of any regressor of scikit-learn, or with its methods ``fit`` and ``predict``.

    The regressor learns the logarithm of the throughput relative to the best program of the same task.

    Parameters
    ----------
    estimator : object
        It is cloned for every fit, and not changed.

    Raises
    ------
    ValueError
        If the estimator has no ``fit``, ``predict`` and ``get_params``.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> model = SklearnCostModel(RandomForestRegressor(random_state=0))
    >>> result = tune(task, 128, model=model)
    """

    def __init__(self, estimator: Any) -> None:
        lacking = [name for name in ("fit", "predict", "get_params") if not hasattr(estimator, name)]
        if lacking:
            raise ValueError(
                f"a regressor with the methods of scikit-learn is needed; {estimator!r} has no "
                + ", ".join(lacking)
            )
        self.estimator = estimator
        self.regressor: Any = None

    @property
    def fitted(self) -> bool:
        return self.regressor is not None

    def fit(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit a clone of the estimator; see `CostModel.fit`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a throughput is negative or not finite.
        """
        from sklearn.base import clone

        features, throughputs, groups = checked(features, throughputs, groups)
        self.regressor = clone(self.estimator).fit(features, log_speeds(throughputs, groups))

    def update(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit anew: estimators of scikit-learn cannot be continued in general."""
        self.fit(features, throughputs, groups)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return scores, higher for faster programs.

        Raises
        ------
        ValueError
            Before the first fit.
        """
        return np.asarray(self._fitted().predict(np.asarray(features, np.float32)), np.float64)

    def predict_uncertainty(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and their standard deviation.

        The deviation is the regressor's own where its ``predict`` has ``return_std``, as that of a Gaussian
        process; of a bagged ensemble it is that of the predictions of its members.

        Raises
        ------
        ValueError
            Before the first fit, and for a regressor that has neither.
        """
        regressor, rows = self._fitted(), np.asarray(features, np.float32)
        code = getattr(type(regressor).predict, "__code__", None)
        if code is not None and "return_std" in code.co_varnames:
            scores, deviations = regressor.predict(rows, return_std=True)
            return np.asarray(scores, np.float64), np.asarray(deviations, np.float64)
        members = getattr(regressor, "estimators_", None)
        # the members of a boosted ensemble are trees of residuals, whose spread means nothing
        if members is None or not hasattr(regressor, "bootstrap"):
            raise ValueError(
                f"{type(regressor).__name__} states no deviation of its predictions: choose a regressor "
                "whose predict has return_std, a bagged ensemble, or the acquisition 'mean'"
            )
        predictions = np.stack([member.predict(rows) for member in members])
        return np.asarray(regressor.predict(rows), np.float64), predictions.std(axis=0)

    def _fitted(self) -> Any:
        if self.regressor is None:
            raise ValueError("the cost model has not been fitted: call fit with measured throughputs first")
        return self.regressor
