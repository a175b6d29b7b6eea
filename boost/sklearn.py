"""The scikit-learn estimators, under the module name that XGBoost's users import."""

from boost.estimator.base import XGBModel
from boost.estimator.named import (
    BoostClassifier,
    BoostForestClassifier,
    BoostForestRegressor,
    BoostRanker,
    BoostRegressor,
    XGBClassifier,
    XGBRanker,
    XGBRegressor,
    XGBRFClassifier,
    XGBRFRegressor,
)

__all__ = [
    "BoostClassifier",
    "BoostForestClassifier",
    "BoostForestRegressor",
    "BoostRanker",
    "BoostRegressor",
    "XGBClassifier",
    "XGBModel",
    "XGBRFClassifier",
    "XGBRFRegressor",
    "XGBRanker",
    "XGBRegressor",
]
