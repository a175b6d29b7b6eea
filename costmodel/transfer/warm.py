"""`WarmCostModel`: a model of other tasks, corrected by the measurements of this one."""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.learned import BoostedTreeCostModel, CostModel
from costmodel.learned.labels import checked, log_speeds

# Number of measurements whose weight the prior's own scale has against that of the measurements.
SCALE_WEIGHT = 4.0


class WarmCostModel:
    """A model of other tasks (the prior), corrected by the measurements of the task at hand.

    The score of a program is ``scale * prior + correction``. The scale is the slope of the regression of the
    measured logarithms of throughputs on the prior's scores, a ridge regression towards 1: where the prior
    does not agree with the measurements, it fades. The correction is made of boosted trees that learn the
    residuals. Without measurements the score is the prior's.

    Parameters
    ----------
    prior : CostModel
        Fitted, on the same features; it is not changed.
    rounds : int
        Number of trees of a fit.
    update_rounds : int
        Number of trees that an update adds.
    seed : int
    **params
        Further parameters of `BoostedTreeCostModel`.

    Raises
    ------
    ValueError
        If the prior is not fitted, or for a parameter that `BoostedTreeCostModel` refuses.

    References
    ----------
    Chen et al., Learning to Optimize Tensor Programs, 2018, section 4: a global and a local model whose sum
    is the score.
    """

    def __init__(
        self, prior: CostModel, *, rounds: int = 100, update_rounds: int = 15, seed: int = 0, **params: Any
    ) -> None:
        if not prior.fitted:
            raise ValueError("the prior of a warm start must be fitted")
        self.prior = prior
        self.scale = 1.0
        self.correction = BoostedTreeCostModel(
            rounds=rounds, update_rounds=update_rounds, seed=seed, **{"base_score": 0.0, **params}
        )

    @property
    def fitted(self) -> bool:
        return True

    def fit(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit scale and correction anew; see `CostModel.fit`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a throughput is negative or not finite.
        """
        features, residuals = self._residuals(features, throughputs, groups)
        self.correction.fit_labels(features, residuals)

    def update(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit anew: the residuals change with the scale."""
        self.fit(features, throughputs, groups)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return scores, higher for faster programs."""
        scores = self.scale * np.asarray(self.prior.predict(features), np.float64)
        return scores + self.correction.predict(features) if self.correction.fitted else scores

    def predict_uncertainty(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores, and their standard deviation: those of prior and correction, taken as
        independent.
        """
        scores, deviations = self.prior.predict_uncertainty(features)
        scores, variances = self.scale * scores, (self.scale * deviations) ** 2
        if self.correction.fitted:
            added, deviations = self.correction.predict_uncertainty(features)
            scores, variances = scores + added, variances + deviations**2
        return scores, np.sqrt(variances)

    def _residuals(
        self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit the scale; return the features and what it leaves of the labels, centred for each task."""
        features, throughputs, groups = checked(features, throughputs, groups)
        _, numbers = np.unique(groups, return_inverse=True)
        prior = _centred(np.asarray(self.prior.predict(features), np.float64), numbers)
        labels = _centred(log_speeds(throughputs, groups), numbers)
        weight = SCALE_WEIGHT * prior.var()
        # a negative slope would trust what the prior thinks is slow
        self.scale = max(float((prior @ labels + weight) / (prior @ prior + weight)), 0.0) if weight else 1.0
        return features, labels - self.scale * prior


def _centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]
