"""The base class of regressors."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin

from boost.estimator.base import XGBModel


class Regressor(RegressorMixin, XGBModel):
    """Regression by boosted trees."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
