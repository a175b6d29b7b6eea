"""scikit-learn estimators. Their constructors come from the table in `boost.params`."""

from __future__ import annotations

from boost.estimator.classifier import Classifier
from boost.estimator.constructor import constructor
from boost.estimator.forest import Forest
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
# What makes a random forest of one round.
SAMPLES = {"learning_rate": 1.0, "subsample": 0.8, "colsample_bynode": 0.8, "reg_lambda": 1e-5}


@constructor()
class BoostRegressor(Regressor):
    """Gradient-boosted trees for regression."""


@constructor(objective="binary:logistic")
class BoostClassifier(Classifier):
    """Gradient-boosted trees for classification, with labels of any type.

    With more than two classes, the objective is multi:softprob. Labels of several columns of 0 and 1 make a
    model of several outputs, each of which says yes or no.
    """


@constructor(objective="rank:ndcg")
class BoostRanker(Ranker):
    """Gradient-boosted trees that rank the rows of a group; larger labels rank higher."""


@constructor(**SAMPLES)
class BoostForestRegressor(Forest, Regressor):
    """A random forest for regression: one round of trees on samples of the rows and of the features."""


@constructor(**SAMPLES, objective="binary:logistic")
class BoostForestClassifier(Forest, Classifier):
    """A random forest for classification; see `BoostForestRegressor`."""


@constructor(objective="rank:ndcg")
class XGBRanker(NamedRanker):
    """`BoostRanker` with XGBoost's name for the weights of groups, which weigh no samples."""


XGBRegressor = BoostRegressor
XGBClassifier = BoostClassifier
XGBRFRegressor = BoostForestRegressor
XGBRFClassifier = BoostForestClassifier
