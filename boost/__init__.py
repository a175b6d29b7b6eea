"""Gradient-boosted trees: train, predict, explain, save.

The names are XGBoost's: ``import boost as xgb`` runs most of its scripts. Importing this package is quick:
kernels are loaded by the first fit or predict, scikit-learn by the first use of an estimator, Matplotlib by
the first plot.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from boost import callback
from boost.booster import Booster
from boost.config import config_context, get_config, set_config
from boost.core import build_info
from boost.data.dmatrix import DMatrix
from boost.data.quantile_dmatrix import ExtMemQuantileDMatrix, QuantileDMatrix
from boost.errors import DataError, LabelError, ModelError, ParameterError
from boost.runs.cv import cv
from boost.runs.train import train

if TYPE_CHECKING:
    from boost.data.batches.data_iter import DataIter
    from boost.estimator.interval import BoostIntervalRegressor
    from boost.model.model_io.onnx import model_to_onnx
    from boost.show.explanation import tree_explainer
    from boost.show.plot_tree import plot_tree, to_graphviz
    from boost.show.plots.contributions import plot_contributions
    from boost.show.plots.dependence import plot_dependence
    from boost.show.plots.fit import plot_calibration, plot_intervals, plot_residuals
    from boost.show.plots.overview import plot_importance, plot_metric
    from boost.show.shap_trees import shap_trees
    from boost.sklearn import (
        BoostClassifier,
        BoostForestClassifier,
        BoostForestRegressor,
        BoostRanker,
        BoostRegressor,
        XGBClassifier,
        XGBModel,
        XGBRanker,
        XGBRegressor,
        XGBRFClassifier,
        XGBRFRegressor,
    )

# Pickles of version 0.1 name modules of that version: aliases of them are in this folder.
__path__.append(f"{__path__[0]}/former")

__all__ = [
    "BoostClassifier",
    "BoostForestClassifier",
    "BoostForestRegressor",
    "BoostIntervalRegressor",
    "BoostRanker",
    "BoostRegressor",
    "Booster",
    "DMatrix",
    "DataError",
    "DataIter",
    "ExtMemQuantileDMatrix",
    "LabelError",
    "ModelError",
    "ParameterError",
    "QuantileDMatrix",
    "XGBClassifier",
    "XGBModel",
    "XGBRFClassifier",
    "XGBRFRegressor",
    "XGBRanker",
    "XGBRegressor",
    "build_info",
    "callback",
    "config_context",
    "cv",
    "get_config",
    "model_to_onnx",
    "plot_calibration",
    "plot_contributions",
    "plot_dependence",
    "plot_importance",
    "plot_intervals",
    "plot_metric",
    "plot_residuals",
    "plot_tree",
    "set_config",
    "shap_trees",
    "to_graphviz",
    "train",
    "tree_explainer",
]

__version__ = "0.1.0"


# Names that are imported when they are first used, with their modules; other names are in `boost.sklearn`.
_LATER = {
    "BoostIntervalRegressor": "boost.estimator.interval",
    "DataIter": "boost.data.batches.data_iter",
    "model_to_onnx": "boost.model.model_io.onnx",
    "plot_calibration": "boost.show.plots.fit",
    "plot_contributions": "boost.show.plots.contributions",
    "plot_dependence": "boost.show.plots.dependence",
    "plot_importance": "boost.show.plots.overview",
    "plot_intervals": "boost.show.plots.fit",
    "plot_metric": "boost.show.plots.overview",
    "plot_residuals": "boost.show.plots.fit",
    "plot_tree": "boost.show.plot_tree",
    "shap_trees": "boost.show.shap_trees",
    "to_graphviz": "boost.show.plot_tree",
    "tree_explainer": "boost.show.explanation",
}
# Modules that XGBoost's scripts use as attributes.
_MODULES = ("config", "core", "plotting", "sklearn")


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_LATER.get(name, "boost.sklearn")), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
