"""The names that XGBoost's scripts use, and which of its public names are not here."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest

import boost

# Workers, trackers and GPUs: there is one process here.
WITHOUT = {"RabitTracker", "collective", "compat", "libpath", "tracker", "_typing", "_data_utils"}


def test_modules_and_names_of_xgboost() -> None:
    from boost import core, plotting

    assert boost.core is core and boost.plotting is plotting
    assert boost.config.set_config is boost.set_config and boost.sklearn.XGBRegressor is boost.XGBRegressor
    assert core.Booster is boost.Booster and plotting.to_graphviz is boost.to_graphviz
    assert boost.build_info()["USE_CUDA"] is False and isinstance(boost.__version__, str)
    assert {"core", "config", "plotting", "to_graphviz", "__version__"} <= set(dir(boost))
    with pytest.raises(AttributeError, match="no attribute 'tracker'"):
        boost.tracker  # noqa: B018


def test_every_error_is_xgboosts_error() -> None:
    for cause in (
        lambda: boost.DMatrix([[np.inf]]),
        lambda: boost.Booster({"eta": -1}),
        lambda: boost.Booster(model_file=b"damaged"),
        lambda: boost.train({}, boost.DMatrix([[1.0]]), 1),
    ):
        with pytest.raises(boost.core.XGBoostError, match="."):
            cause()


@pytest.mark.parametrize("name", ["Booster", "DMatrix", "QuantileDMatrix", "DataIter"])
def test_public_methods_of_xgboost(name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    theirs, ours = getattr(xgboost, name), getattr(boost, name)
    # What `DataIter` has for the C++ side of XGBoost.
    inner = {"get_callbacks", "proxy", "reraise"} if name == "DataIter" else set()
    assert {n for n in dir(theirs) if not n.startswith("_")} - set(dir(ours)) == inner


@pytest.mark.parametrize("name", ["Booster", "DMatrix"])
def test_parameters_of_methods_in_xgboosts_order_and_by_position(name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    theirs, ours = getattr(xgboost, name), getattr(boost, name)
    for method in ("__init__", *(n for n in dir(theirs) if not n.startswith("_"))):
        if not inspect.isfunction(getattr(ours, method)):
            continue
        expected, given = (
            list(inspect.signature(getattr(cls, method)).parameters.values()) for cls in (theirs, ours)
        )
        if any(p.kind is p.VAR_KEYWORD for p in expected):
            continue
        names = [NAMES.get((method, p.name), p.name) for p in expected]
        assert [p.name for p in given][: len(expected)] == names, method
        # XGBoost accepts all by position, with a warning.
        assert method == "set_info" or not any(p.kind is p.KEYWORD_ONLY for p in given), method


# Parameters that have another name here.
NAMES = {
    ("load_model", "fname"): "source",
    ("save_model", "fname"): "path",
}


def test_public_names_of_xgboost() -> None:
    xgboost = pytest.importorskip("xgboost")
    assert set(xgboost.__all__) - set(boost.__all__) <= WITHOUT
    for module in ("core", "config", "plotting", "callback", "sklearn"):
        ours = importlib.import_module(f"boost.{module}")
        assert ours.__doc__
    for function in ("train", "cv"):
        theirs, ours = (list(inspect.signature(getattr(m, function)).parameters) for m in (xgboost, boost))
        assert theirs == ours
