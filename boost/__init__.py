"""Gradient-boosted trees: train, predict, save.

Importing this package is quick: kernels are loaded by the first fit or predict, scikit-learn by the first use
of an estimator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boost.booster import Booster, train
from boost.data import DataError, DMatrix
from boost.objective import LabelError
from boost.params import ParameterError

if TYPE_CHECKING:
    from boost.sklearn import BoostClassifier, BoostRanker, BoostRegressor

__all__ = [
    "BoostClassifier",
    "BoostRanker",
    "BoostRegressor",
    "Booster",
    "DMatrix",
    "DataError",
    "LabelError",
    "ParameterError",
    "train",
]

_ESTIMATORS = ("BoostClassifier", "BoostRanker", "BoostRegressor")


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        from boost import sklearn

        return getattr(sklearn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
