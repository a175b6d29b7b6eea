"""scikit-learn's own tests of HistGradientBoosting, run on our estimators under its names.

The modules are imported from the installed scikit-learn, with the classes of `hist_gradient_boosting` in
place of its estimators. Tests of its private parts and of the words of its messages are left out.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sklearn.ensemble
from sklearn.ensemble._hist_gradient_boosting import tests as installed

from tests.boost.estimator import hist_gradient_boosting as ours

MODULES = ("test_gradient_boosting", "test_monotonic_constraints", "test_warm_start", "test_compare_lightgbm")
WORDS = "matches the words of scikit-learn's messages"
PRIVATE = "calls private parts of scikit-learn's estimators"
INFINITE = "infinite values of features are refused, as in XGBoost"
UNSEEN = (
    "a code that training did not have is in no set of a split, as in XGBoost: it need not go where NaN goes"
)
COUNT = "there is no smallest number of rows of a leaf, and the sum of hessians is another limit"
# Patterns of the names of tests, with why they are left out.
LEFT_OUT = {
    "init_parameters_validation": WORDS,
    "y_positive": WORDS,
    "consistent_lengths": WORDS,
    "categorical_spec_errors": WORDS,
    "bad_encoding_errors": WORDS,
    "dataframe_categorical_errors": "there is no limit of the number of categories",
    "X_val_raises": WORDS,
    "input_error": WORDS,
    "max_iter_with_warm_start_validation": WORDS,
    "should_stop": PRIVATE,
    "binning_train_validation_are_separated": PRIVATE,
    "small_trainset": PRIVATE,
    "sum_hessians_are_sample_weight": PRIVATE,
    "early_stopping_with_sample_weights": PRIVATE,
    "raw_predict_is_called": PRIVATE,
    "check_interaction_cst": PRIVATE,
    "nodes_values": PRIVATE,
    "bounded_value_min_gain": PRIVATE,
    "bitness": PRIVATE,
    "random_seeds_warm_start": PRIVATE,
    "X_val_in_fit": "presumes scikit-learn's draw of the validation rows",
    "warm_start_early_stopping": "each fit of a warm start counts the rounds without improvement anew",
    "custom_loss": "takes objects of scikit-learn's private losses",
    "infinite_values": INFINITE,
    r"same_predictions_regression\[255-4096-20-poisson": COUNT,
    r"classification\[255-4096-20": COUNT,
    r"classification\[1000-8-20": COUNT,
    r"classification\[10000-8-20": COUNT,
    r"single_node_trees\[HistGradientBoostingClassifier": "the leaves of one class are 1e-6, not 0",
    r"unknown_categories_nan.*-True\]": UNSEEN,
}


def _load(name: str) -> ModuleType:
    """Return a test module of scikit-learn that finds our classes in `sklearn.ensemble`."""
    names = ("HistGradientBoostingRegressor", "HistGradientBoostingClassifier")
    theirs = {n: getattr(sklearn.ensemble, n) for n in names}
    spec = importlib.util.spec_from_file_location(name, Path(installed.__path__[0]) / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        for n in names:
            setattr(sklearn.ensemble, n, getattr(ours, n))
        spec.loader.exec_module(module)
    finally:
        for n, kind in theirs.items():
            setattr(sklearn.ensemble, n, kind)
    return module


def _collect() -> Iterator[tuple[str, Any]]:
    for name in MODULES:
        for test, function in vars(_load(name)).items():
            if test.startswith("test_"):
                yield f"{name}_{test[5:]}", function


globals().update(_collect())


@pytest.fixture(autouse=True)
def _leave_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "compare_lightgbm" in request.node.name:
        monkeypatch.setattr(ours.HistGradientBoosting, "largest_step", 0.0)
    for part, reason in LEFT_OUT.items():
        if re.search(part, request.node.name):
            pytest.skip(reason)


@pytest.fixture
def global_random_seed() -> int:
    """The seed that scikit-learn's tests are given."""
    return 42
