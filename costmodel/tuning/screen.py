"""`Screen`: scores of configurations from the values of their knobs alone, learned from those of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from costmodel.features import KnobFeatures
from costmodel.space import ConfigSpace

ROUNDS = 30
PARAMETERS = {"objective": "reg:squarederror", "max_depth": 5, "eta": 0.3, "seed": 0}


class Screen:
    """Trees that predict a score from the values of knobs.

    An explorer visits hundreds of configurations for each that is measured, and lowering a program takes a
    hundred times as long as evaluating a model. The screen is fitted to the scores of the programs that
    are lowered already, whatever model they come from, and stands in for it on the way.

    Parameters
    ----------
    space : ConfigSpace
    """

    def __init__(self, space: ConfigSpace) -> None:
        self.features = KnobFeatures(space)
        self._booster: Any = None

    def fit(self, indices: Sequence[int], scores: np.ndarray) -> None:
        """Learn the scores of configurations; minus infinity, for one without a program, counts as the
        lowest.
        """
        import boost

        finite = np.isfinite(scores)
        low = scores[finite].min() if finite.any() else 0.0
        labels = np.where(finite, scores, low)
        # trees do not depend on the unit of the features, but their regularization does on that of the labels
        labels = (labels - labels.mean()) / (labels.std() or 1.0)
        data = boost.DMatrix(self.features.of_indices(indices), label=labels)
        self._booster = boost.train(PARAMETERS, data, num_boost_round=ROUNDS)

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """Return the predicted scores."""
        return np.asarray(self._booster.predict(self.features.of_indices(indices)), dtype=np.float64)
