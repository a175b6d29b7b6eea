"""The estimators under their public names, with constructors made from the table of `boost.params`."""

from __future__ import annotations

from boost.estimator.classifier import Classifier
from boost.estimator.constructor import constructor
from boost.estimator.forest import RandomForest
from boost.estimator.ranker import NamedRanker, Ranker
from boost.estimator.regressor import Regressor
from boost.params import BY_NAME
from boost.preset.preset import CHOSEN

__all__ = [
    "BoostClassifier",
    "BoostForestClassifier",
    "BoostForestRegressor",
    "BoostRanker",
    "BoostRegressor",
    "XGBClassifier",
    "XGBRFClassifier",
    "XGBRFRegressor",
    "XGBRanker",
    "XGBRegressor",
]
# Defaults of a random forest.
SAMPLES = {"learning_rate": 1.0, "subsample": 0.8, "colsample_bynode": 0.8, "reg_lambda": 1e-5}
# Those of a `Boost` estimator: its preset, and None for what it chooses.
OURS = {"preset": "espalier", "n_estimators": None} | {str(BY_NAME[name].estimator): None for name in CHOSEN}


@constructor(**OURS)
class BoostRegressor(Regressor):
    """Gradient-boosted trees for regression."""


@constructor(**OURS, objective="binary:logistic")
class BoostClassifier(Classifier):
    """Gradient-boosted trees for classification, with labels of any type.

    With more than two classes, the objective is multi:softprob. Labels of several columns of 0 and 1 make a
    multilabel model, with an output for each column.
    """


@constructor(**OURS, objective="rank:ndcg")
class BoostRanker(Ranker):
    """Gradient-boosted trees that rank the rows of a query group; larger labels rank higher."""


@constructor(**SAMPLES)
class BoostForestRegressor(RandomForest, Regressor):
    """A random forest for regression: one round of trees on samples of the rows and of the features."""


@constructor(**SAMPLES, objective="binary:logistic")
class BoostForestClassifier(RandomForest, Classifier):
    """A random forest for classification: one round of trees on samples of the rows and of the features."""


@constructor()
class XGBRegressor(BoostRegressor):
    """`BoostRegressor` with XGBoost's defaults."""


@constructor(objective="binary:logistic")
class XGBClassifier(BoostClassifier):
    """`BoostClassifier` with XGBoost's defaults."""


@constructor(objective="rank:ndcg")
class XGBRanker(NamedRanker):
    """`BoostRanker` with XGBoost's defaults.

    The parameter `sample_weight` of `fit` is XGBoost's, which has a weight for each group.
    """


XGBRFRegressor = BoostForestRegressor
XGBRFClassifier = BoostForestClassifier
