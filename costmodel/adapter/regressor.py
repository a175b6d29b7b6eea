"""`CostModelRegressor`: the cost model as an estimator of scikit-learn, for tuners that expect one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from costmodel.learned import BoostedTreeCostModel, pairwise_accuracy


class CostModelRegressor(RegressorMixin, BaseEstimator):
    """Boosted trees that rank programs, as an estimator of scikit-learn.

    Parameters
    ----------
    rounds : int
        Number of trees.
    seed : int
    params : dict, optional
        Further parameters of `BoostedTreeCostModel`.

    Attributes
    ----------
    model_ : BoostedTreeCostModel
        After `fit`.
    n_features_in_ : int
    """

    def __init__(self, *, rounds: int = 100, seed: int = 0, params: dict[str, Any] | None = None) -> None:
        self.rounds = rounds
        self.seed = seed
        self.params = params

    def fit(self, X: Any, y: Any, groups: Any = None) -> CostModelRegressor:
        """Fit to throughputs.

        Parameters
        ----------
        X : array of shape (n, features)
        y : array of shape (n,)
            Throughputs, higher for faster programs; zero for one that failed.
        groups : array of shape (n,), optional
            The task of each program, see `CostModel.fit`.

        Returns
        -------
        CostModelRegressor
            Itself.
        """
        model = BoostedTreeCostModel(rounds=self.rounds, seed=self.seed, **(self.params or {}))
        model.fit(np.asarray(X, np.float32), np.asarray(y, np.float64), groups)
        self.model_ = model
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return scores, higher for faster programs, shape (n,)."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return self.model_.predict(np.asarray(X, np.float32))

    def score(self, X: Any, y: Any, sample_weight: None = None) -> float:
        """Return the pairwise accuracy of the scores of `X` with the throughputs `y`, of one task.

        Raises
        ------
        ValueError
            If weights are given.
        """
        if sample_weight is not None:
            raise ValueError("the pairwise accuracy has no weights of samples")
        return pairwise_accuracy(self.predict(X), np.asarray(y, np.float64))
