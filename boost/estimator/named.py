"""The estimators under their public names, with constructors made from the table of `boost.params`."""

from __future__ import annotations

from boost.estimator.classifier import Classifier
from boost.estimator.constructor import constructor
from boost.estimator.forest import RandomForest
from boost.estimator.ranker import NamedRanker, Ranker
from boost.estimator.regressor import Regressor

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


@constructor()
class BoostRegressor(Regressor):
    """Gradient-boosted trees for regression."""


@constructor(objective="binary:logistic")
class BoostClassifier(Classifier):
    """Gradient-boosted trees for classification, with labels of any type.

    With more than two classes, the objective is multi:softprob. Labels of several columns of 0 and 1 make a
    multilabel model, with an output for each column.
    """


@constructor(objective="rank:ndcg")
class BoostRanker(Ranker):
    """Gradient-boosted trees that rank the rows of a query group; larger labels rank higher."""


@constructor(**SAMPLES)
class BoostForestRegressor(RandomForest, Regressor):
    """A random forest for regression: one round of trees on samples of the rows and of the features."""


@constructor(**SAMPLES, objective="binary:logistic")
class BoostForestClassifier(RandomForest, Classifier):
    """A random forest for classification: one round of trees on samples of the rows and of the features."""


@constructor(objective="rank:ndcg")
class XGBRanker(NamedRanker):
    """`BoostRanker` with XGBoost's parameter `sample_weight` of `fit`, which has a weight for each group."""


XGBRegressor = BoostRegressor
XGBClassifier = BoostClassifier
XGBRFRegressor = BoostForestRegressor
XGBRFClassifier = BoostForestClassifier
